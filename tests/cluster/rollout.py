"""How a Deployment replaces its pods: what its strategy allows, decided from numbers alone."""

import math
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Strategy:
    """What a rollout may do.

    Attributes:
        replicas: How many pods there should be.
        surge: How many there may be above that.
        unavailable: How many may be missing of them.
        min_ready_s: For how long a pod must have been ready until it counts.
    """

    replicas: int
    surge: int
    unavailable: int
    min_ready_s: float


@dataclass(frozen=True)
class Step:
    """What to do now: pods of the new template to make, and of the old one to end."""

    make: int
    end: int


def strategy_of(deployment: dict[str, Any]) -> Strategy:
    """Return what a Deployment allows."""
    spec = deployment["spec"]
    replicas = spec.get("replicas", 1)
    told = spec.get("strategy", {})
    if told.get("type") == "Recreate":
        return Strategy(replicas, 0, replicas, spec.get("minReadySeconds", 0))
    rolling = told.get("rollingUpdate", {})
    return Strategy(
        replicas,
        _count(rolling.get("maxSurge", "25%"), replicas, math.ceil),
        _count(rolling.get("maxUnavailable", "25%"), replicas, math.floor),
        spec.get("minReadySeconds", 0),
    )


def _count(told: int | str, replicas: int, rounded: Any) -> int:
    if isinstance(told, int):
        return told
    return int(rounded(replicas * int(told.removesuffix("%")) / 100))


def step(may: Strategy, *, new: int, old: int, available: int) -> Step:
    """Return what a rollout does next.

    Args:
        may: What the strategy allows.
        new: Pods of the new template.
        old: Pods of the old one that nobody has ended yet.
        available: Of both, those that have been ready for long enough.
    """
    room = may.replicas + may.surge - new - old
    make = max(0, min(room, may.replicas - new))
    spare = available - (may.replicas - may.unavailable)
    return Step(make, max(0, min(old, spare)))
