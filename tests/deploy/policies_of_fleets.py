"""Policies of the services as fleets of pods: how they end, where they are, how many."""

from functools import cache
from typing import Any

import yaml

from deploy.helm import facts
from tests.deploy.manifests import Manifest, matches, named, of_kind, program_of, services


@cache
def known_services() -> dict[str, Any]:
    """What the chart knows of the services."""
    told: dict[str, Any] = yaml.safe_load((facts.FILES / "services.yaml").read_text("utf-8"))
    return told


def pods_may_end_in_peace(objects: list[Manifest]) -> list[str]:
    """The grace period is longer than the pause before SIGTERM and the longest hand-over."""
    wrong, told = [], known_services()
    for one in services(objects):
        spec = one["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = pause + told[program_of(one)]["handOverSeconds"]
        if spec.get("terminationGracePeriodSeconds", 30) <= needed:
            wrong.append(f"{named(one)}: may need {needed} s to end")
        if program_of(one) != "dialer" and not pause:
            wrong.append(f"{named(one)}: is sent requests while it ends")
    return wrong


def evictions_go_one_by_one(objects: list[Manifest]) -> list[str]:
    budgets = of_kind(objects, "PodDisruptionBudget")
    wrong = []
    for one in services(objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        ours = [each for each in budgets if matches(each["spec"]["selector"], labels)]
        if len(ours) != 1 or ours[0]["spec"].get("maxUnavailable") != 1:
            wrong.append(f"{named(one)}: has not one budget of one pod")
    return wrong


def replicas_are_spread(objects: list[Manifest]) -> list[str]:
    wrong = []
    for one in services(objects):
        template = one["spec"]["template"]
        keys = {
            rule["topologyKey"]
            for rule in template["spec"].get("topologySpreadConstraints", ())
            if matches(rule["labelSelector"], template["metadata"]["labels"])
        }
        missing = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} - keys
        wrong += [f"{named(one)}: may be all in one {key}" for key in sorted(missing)]
    return wrong


def updates_take_nothing_away(objects: list[Manifest]) -> list[str]:
    wanted = {"maxSurge": 1, "maxUnavailable": 0}
    return [
        f"{named(one)}: has fewer pods during an update"
        for one in services(objects)
        if one["spec"].get("strategy", {}).get("rollingUpdate") != wanted
    ]


def one_decides_how_many(objects: list[Manifest]) -> list[str]:
    """What is scaled has no number of its own, and what is not has one."""
    scalers = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in scalers]
    present = {one["metadata"]["name"] for one in of_kind(objects, "Deployment")}
    wrong = [f"{name}: is scaled and is not there" for name in scaled if name not in present]
    for one in of_kind(objects, "Deployment"):
        if ("replicas" in one["spec"]) + scaled.count(one["metadata"]["name"]) != 1:
            wrong.append(f"{named(one)}: its number is decided twice or never")
    return wrong
