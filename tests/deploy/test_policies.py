"""Each policy holds for everything that is rendered, and none of them is blind."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from tests.deploy import policies_of_fleets as fleets
from tests.deploy import policies_of_links as links
from tests.deploy import policies_of_pods as pods
from tests.deploy import rendering
from tests.deploy.manifests import Manifest, Policy, of_kind, program_of
from tests.deploy.policies import POLICIES
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


def spec(kind: str) -> Callable[[list[Manifest]], Any]:
    return lambda all_: first(all_, kind)["spec"]


def plan(all_: list[Manifest]) -> Any:
    return deployment(all_)["spec"]


def config(all_: list[Manifest]) -> Any:
    return first(all_, "ConfigMap")["data"]


def told(name: str, value: str) -> Change:
    return put(container, "env", [{"name": name, "value": value}])


STRANGER = {"matchLabels": {"a": "b"}}
SECRET = {"kind": "Secret", "metadata": {"name": "a"}}
BREACHES: dict[Policy, list[Change]] = {
    pods.pod_security_is_restricted: [
        put(pod, "hostNetwork", True),
        put(pod, "securityContext", {}),
        put(pod, "volumes", [{"name": "a", "hostPath": {}}]),
        put(security, "privileged", True),
        put(security, "allowPrivilegeEscalation", True),
        put(security, "capabilities", {"drop": ["KILL"]}),
        put(security, "capabilities", {"drop": ["ALL"], "add": ["SYS_ADMIN"]}),
        put(security, "runAsNonRoot", False),
        put(security, "runAsUser", 0),
        put(security, "seccompProfile", {"type": "Unconfined"}),
        put(security, "procMount", "Unmasked"),
        put(security, "seLinuxOptions", {"type": "spc_t"}),
        put(container, "ports", [{"hostPort": 80}]),
    ],
    pods.root_is_read_only: [put(security, "readOnlyRootFilesystem", False)],
    pods.nobody_has_a_token: [
        put(pod, "automountServiceAccountToken", True),
        put(pod, "serviceAccountName", "default"),
        without("ServiceAccount"),
    ],
    pods.images_are_pinned: [
        put(container, "image", "registry:5000/dialer:latest"),
        put(container, "image", "registry:5000/dialer"),
    ],
    pods.resources_are_set: [put(container, "resources", {"requests": {"cpu": 1}})],
    pods.probes_are_set: [
        lambda all_: container(all_).pop("readinessProbe"),
        put(container, "livenessProbe", {"httpGet": {"path": "/readyz"}}),
    ],
    pods.no_secret_is_in_clear: [
        lambda all_: all_.append(SECRET),
        told("DIALER_ARI_PASSWORD", "open sesame"),
        told("DIALER_REDIS_URL", "redis://user:word@host"),
        put(config, "CAMPAIGN_MANAGER_JWT_SECRET", "open sesame"),
    ],
    pods.services_do_not_inherit_links: [put(pod, "enableServiceLinks", True)],
    fleets.pods_may_end_in_peace: [
        put(pod, "terminationGracePeriodSeconds", 60),
        lambda all_: container(all_, "flow-runner").pop("lifecycle"),
    ],
    fleets.evictions_go_one_by_one: [
        without("PodDisruptionBudget"),
        put(spec("PodDisruptionBudget"), "maxUnavailable", 0),
    ],
    fleets.replicas_are_spread: [put(pod, "topologySpreadConstraints", [])],
    fleets.updates_take_nothing_away: [put(plan, "strategy", {"type": "Recreate"})],
    fleets.one_decides_how_many: [
        put(plan, "replicas", 3),
        without("HorizontalPodAutoscaler"),
        put(spec("HorizontalPodAutoscaler"), "scaleTargetRef", {"name": "nobody"}),
    ],
    links.selectors_find_something: [
        put(spec("Service"), "selector", {"a": "b"}),
        put(container, "ports", []),
        put(plan, "selector", STRANGER),
    ],
    links.what_is_mounted_is_there: [without("ConfigMap"), put(pod, "volumes", [])],
    links.names_are_taken_once: [lambda all_: all_.append(all_[0])],
    links.everything_is_denied_first: [without("NetworkPolicy")],
    links.what_goes_out_is_named: [
        put(spec("NetworkPolicy"), "egress", [{"to": []}]),
        put(spec("NetworkPolicy"), "podSelector", STRANGER),
    ],
}


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_every_breach_of_a_policy_is_seen(policy: Policy) -> None:
    for change in BREACHES[policy]:
        all_ = deepcopy(objects("values-production"))
        change(all_)
        assert policy(all_)
