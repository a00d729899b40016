"""Each policy holds for everything that is rendered, and none of them is blind."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.deploy import policies, rendering
from tests.deploy.policies import POLICIES, Manifest, Policy, of_kind, program_of
from tests.deploy.rendering import VALUES, objects

Change = Callable[[list[Manifest]], None]

@pytest.mark.parametrize("values", VALUES)
def test_every_policy_holds(values: str) -> None:
    assert [says for policy in POLICIES for says in policy(objects(values))] == []


def test_every_policy_holds_for_the_kustomize_base() -> None:
    assert [says for policy in POLICIES for says in policy(rendering.base())] == []


def deployment(all_: list[Manifest], program: str = "dialer") -> Any:
    return next(one for one in of_kind(all_, "Deployment") if program_of(one) == program)


def pod(all_: list[Manifest], program: str = "dialer") -> Any:
    return deployment(all_, program)["spec"]["template"]["spec"]


def container(all_: list[Manifest], program: str = "dialer") -> Any:
    return pod(all_, program)["containers"][0]


def first(all_: list[Manifest], kind: str) -> Any:
    return of_kind(all_, kind)[0]


def without(kind: str) -> Change:
    def drop(all_: list[Manifest]) -> None:
        all_[:] = [one for one in all_ if one["kind"] != kind]

    return drop


def put(where: Callable[[list[Manifest]], Any], key: str, value: Any) -> Change:
    return lambda all_: where(all_).__setitem__(key, value)


def security(all_: list[Manifest]) -> Any:
    return container(all_)["securityContext"]


BREACHES: list[tuple[Policy, Change]] = [
    (policies.pod_security_is_restricted, put(pod, "hostNetwork", True)),
    (policies.pod_security_is_restricted, put(security, "privileged", True)),
    (policies.pod_security_is_restricted, put(security, "allowPrivilegeEscalation", True)),
    (policies.pod_security_is_restricted, put(security, "capabilities", {"drop": ["KILL"]})),
    (policies.pod_security_is_restricted, put(security, "runAsNonRoot", False)),
    (policies.pod_security_is_restricted, put(security, "runAsUser", 0)),
    (policies.pod_security_is_restricted, put(security, "seccompProfile", {"type": "Unconfined"})),
    (policies.pod_security_is_restricted, put(pod, "securityContext", {})),
    (policies.pod_security_is_restricted, put(pod, "volumes", [{"name": "a", "hostPath": {}}])),
    (policies.pod_security_is_restricted, put(container, "ports", [{"hostPort": 80}])),
    (policies.root_is_read_only, put(security, "readOnlyRootFilesystem", False)),
    (policies.nobody_has_a_token, put(pod, "automountServiceAccountToken", True)),
    (policies.nobody_has_a_token, put(pod, "serviceAccountName", "default")),
    (policies.nobody_has_a_token, without("ServiceAccount")),
    (policies.images_are_pinned, put(container, "image", "registry:5000/dialer:latest")),
    (policies.images_are_pinned, put(container, "image", "registry:5000/dialer")),
    (policies.resources_are_set, put(container, "resources", {"requests": {"cpu": 1}})),
    (policies.probes_are_set, lambda all_: container(all_).pop("readinessProbe")),
    (policies.probes_are_set, put(container, "livenessProbe", {"httpGet": {"path": "/readyz"}})),
    (policies.no_secret_is_in_clear, lambda all_: all_.append({"kind": "Secret", "metadata": {"name": "a"}})),
    (policies.no_secret_is_in_clear, put(container, "env", [{"name": "DIALER_ARI_PASSWORD", "value": "a"}])),
    (policies.no_secret_is_in_clear, put(container, "env", [{"name": "A", "value": "redis://u:p@host"}])),
    (policies.no_secret_is_in_clear, lambda all_: first(all_, "ConfigMap")["data"].update(JWT_SECRET="a")),
    (policies.services_do_not_inherit_links, put(pod, "enableServiceLinks", True)),
    (policies.pods_may_end_in_peace, put(pod, "terminationGracePeriodSeconds", 60)),
    (policies.pods_may_end_in_peace, lambda all_: container(all_, "flow-runner").pop("lifecycle")),
    (policies.evictions_go_one_by_one, without("PodDisruptionBudget")),
    (policies.evictions_go_one_by_one, put(lambda all_: first(all_, "PodDisruptionBudget")["spec"], "maxUnavailable", 0)),
    (policies.replicas_are_spread, put(pod, "topologySpreadConstraints", [])),
    (policies.updates_take_nothing_away, put(lambda all_: deployment(all_)["spec"], "strategy", {"type": "Recreate"})),
    (policies.one_decides_how_many, put(lambda all_: deployment(all_)["spec"], "replicas", 3)),
    (policies.one_decides_how_many, without("HorizontalPodAutoscaler")),
    (policies.selectors_find_something, put(lambda all_: first(all_, "Service")["spec"], "selector", {"a": "b"})),
    (policies.selectors_find_something, put(container, "ports", [])),
    (policies.what_is_mounted_is_there, without("ConfigMap")),
    (policies.what_is_mounted_is_there, put(pod, "volumes", [])),
    (policies.names_are_taken_once, lambda all_: all_.append(all_[0])),
    (policies.everything_is_denied_first, without("NetworkPolicy")),
    (policies.what_goes_out_is_named, put(lambda all_: first(all_, "NetworkPolicy")["spec"], "egress", [{"to": []}])),
    (policies.what_goes_out_is_named, put(lambda all_: first(all_, "NetworkPolicy")["spec"], "podSelector", {"matchLabels": {"a": "b"}})),
]  # fmt: skip


@pytest.mark.parametrize(("policy", "change"), BREACHES)
def test_a_breach_is_seen(policy: Policy, change: Change) -> None:
    all_ = deepcopy(objects("values-production"))
    change(all_)
    assert policy(all_)


def test_every_policy_has_a_breach() -> None:
    assert {policy for policy, _ in BREACHES} == set(POLICIES)
