"""The chart's objects, before Kubernetes' own API server: all are taken, as they are."""

import copy
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from deploy.helm import make_manifests
from tests.cluster.control_plane import (
    ControlPlane,
    Manifest,
    Rejected,
    control_plane,
    definition,
)
from tests.deploy.rendering import CRDS, VALUES, base, objects, parsed

RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
ORDER = ("CustomResourceDefinition", "ServiceAccount")
"""What others need comes first."""


@pytest.fixture(scope="module")
def plane(stack: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with control_plane(stack.ground, tmp_path_factory.mktemp("control-plane")) as there:
        stack.announce(f"Kubernetes: API server {there.version} and etcd, and nothing behind them")
        for path in CRDS.glob("*_*.yaml"):
            told = yaml.safe_load(path.read_text("utf-8"))
            there.apply(definition(told["apiVersion"], told["kind"], told["schema"]), "")
        yield there


def a_namespace(plane: ControlPlane, name: str) -> str:
    """Make one where only pods are let in that Pod Security calls restricted."""
    plane.apply(
        {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": name, "labels": RESTRICTED},
        },
        "",
    )
    return name


def within(one: Manifest, namespace: str) -> Manifest:
    """Return the same object for another namespace."""
    told = copy.deepcopy(one)
    if "namespace" in told["metadata"]:
        told["metadata"]["namespace"] = namespace
    return told


def apply_all(
    plane: ControlPlane, manifests: list[Manifest], namespace: str
) -> dict[tuple[str, str], str]:
    """Apply objects and return the version of each that is stored."""
    ordered = sorted(manifests, key=lambda one: one["kind"] not in ORDER)
    return {
        (one["kind"], one["metadata"]["name"]): plane.apply(within(one, namespace), namespace)[
            "metadata"
        ]["resourceVersion"]
        for one in ordered
    }


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    """Yield a pod of each template."""
    for one in manifests:
        if template := one.get("spec", {}).get("template"):
            meta = template.get("metadata", {}) | {"name": f"{one['metadata']['name']}-pod"}
            claims = [
                {"name": name, "persistentVolumeClaim": {"claimName": name}}
                for name in claimed(one)
            ]
            spec = template["spec"] | {"volumes": template["spec"].get("volumes", []) + claims}
            yield {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec}


def claimed(one: Manifest) -> list[str]:
    """Return the volumes that a StatefulSet adds to its pods."""
    return [claim["metadata"]["name"] for claim in one["spec"].get("volumeClaimTemplates", [])]


@pytest.mark.parametrize("values", VALUES)
def test_all_that_is_rendered_is_accepted_and_stays_as_it_is_when_applied_again(
    plane: ControlPlane, values: str
) -> None:
    namespace = a_namespace(plane, f"once-{values}")
    first = apply_all(plane, objects(values), namespace)
    assert len(first) == len(objects(values)) > 20
    assert apply_all(plane, objects(values), namespace) == first


@pytest.mark.parametrize("values", VALUES)
def test_its_pods_are_let_in_where_only_restricted_ones_are(
    plane: ControlPlane, values: str
) -> None:
    namespace = a_namespace(plane, f"pods-{values}")
    apply_all(plane, objects(values), namespace)
    made = [plane.create(pod, namespace) for pod in pods(objects(values))]
    assert {pod["status"]["phase"] for pod in made} == {"Pending"}
    assert len(made) >= 4  # three services and rebuild; more with what is for trying out


def test_an_upgrade_is_accepted_over_what_is_there(plane: ControlPlane) -> None:
    namespace = a_namespace(plane, "upgraded")
    apply_all(plane, objects("values-production"), namespace)
    newer = ("--set", "image.tag=0.2.0", "--set", "dialer.replicas=4", "--set", "logLevel=warning")
    later = parsed(make_manifests.render("values-production", *newer))
    apply_all(plane, later, namespace)


def test_the_kustomize_base_is_accepted(plane: ControlPlane) -> None:
    apply_all(plane, base(), a_namespace(plane, "kustomized"))


def a_pod(plane: ControlPlane, namespace: str) -> Manifest:
    apply_all(plane, objects("values"), namespace)
    return copy.deepcopy(next(pods(objects("values"))))


def test_a_pod_that_may_do_more_is_refused(plane: ControlPlane) -> None:
    namespace = a_namespace(plane, "refused")
    pod = a_pod(plane, namespace)
    pod["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    with pytest.raises(Rejected, match="violates PodSecurity"):
        plane.create(pod, namespace)


def test_a_field_that_does_not_exist_is_refused(plane: ControlPlane) -> None:
    namespace = a_namespace(plane, "mistyped")
    pod = a_pod(plane, namespace)
    pod["spec"]["terminationGracePeriod"] = 80
    with pytest.raises(Rejected, match="unknown field"):
        plane.create(pod, namespace)
