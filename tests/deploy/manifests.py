"""Manifests as the tests look at them: whose they are, their pods, their containers."""

from collections.abc import Callable, Iterator
from typing import Any

Manifest = dict[str, Any]
Policy = Callable[[list[Manifest]], list[str]]
"""Takes the objects of one rendering and returns what is wrong, in sentences."""

PODS_OF = {"Deployment", "StatefulSet", "Job"}
PROGRAMS = ("campaign-manager", "dialer", "flow-runner")
NAME = "app.kubernetes.io/name"


def named(one: Manifest) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    return [one for one in objects if one["kind"] in kinds]


def program_of(one: Manifest) -> str:
    return str(one["metadata"].get("labels", {}).get(NAME, ""))


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each pod as (whose it is, its spec, its labels)."""
    for one in of_kind(objects, *PODS_OF):
        template = one["spec"]["template"]
        yield named(one), template["spec"], template["metadata"]["labels"]


def containers(objects: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each container as (whose it is, itself, the spec of its pod)."""
    for owner, spec, _ in pods(objects):
        for kind in ("containers", "initContainers", "ephemeralContainers"):
            for one in spec.get(kind, ()):
                yield f"{owner}, {one['name']}", one, spec


def services(objects: list[Manifest]) -> list[Manifest]:
    """The deployments of the three services."""
    return [one for one in of_kind(objects, "Deployment") if program_of(one) in PROGRAMS]


def matches(selector: Manifest, labels: Manifest) -> bool:
    plain = selector.get("matchLabels", {}).items() <= labels.items()
    return plain and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
        for rule in selector.get("matchExpressions", ())
    )
