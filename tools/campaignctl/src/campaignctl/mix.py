"""Whom the demo dials: a mix of targets that behave in every way there is.

What a target does is told by the end of its numbers (see `python -m carrier_simulator --help`), so
what must come of it is known beforehand. Numbers are unique within a run.
"""

import random
from dataclasses import dataclass
from typing import Any

TRIES = (2, 1)
"""Attempts that the demo's outplan allows at the first and at the second destination."""

RUNS = 1000
"""Seeds that give numbers of their own."""


@dataclass(frozen=True)
class Kind:
    """One way for a target to behave.

    Attributes:
        percent: Its share of all targets.
        endings: The last digits of its numbers, in the order of its destinations.
        attempts: How many the outplan of the demo makes of it.
        is_answered: Whether one of them is answered.
    """

    percent: int
    meaning: str
    endings: tuple[str, ...]
    attempts: int
    is_answered: bool


# Endings have five digits because the simulator reads 7RRTT from the fifth last digit on.
KINDS: tuple[Kind, ...] = (
    Kind(32, "answers and listens", ("00961",), 1, True),
    Kind(8, "answers slowly, after 12 s", ("71200",), 1, True),
    Kind(6, "answers and hangs up at once", ("00960",), 1, True),
    Kind(6, "answering machine", ("00940",), 1, True),
    Kind(3, "answers, every event comes twice", ("00943",), 1, True),
    Kind(2, "answers, events out of order", ("00944",), 1, True),
    Kind(8, "busy, answers the second time", ("00952",), 2, True),
    Kind(5, "busy, the second number answers", ("00486", "00961"), 3, True),
    Kind(8, "busy", ("00486",), 2, False),
    Kind(6, "rings for ever", ("00180",), 2, False),
    Kind(4, "rejects the call", ("00603",), 2, False),
    Kind(4, "wrong number", ("00404",), 2, False),
    Kind(3, "congested network", ("00941",), 2, False),
    Kind(2, "never replies", ("00000",), 2, False),
    Kind(3, "rings for ever, second number busy", ("00180", "00486"), 3, False),
)


@dataclass(frozen=True)
class Planned:
    """One target of the demo."""

    name: str
    kind: Kind
    numbers: tuple[str, ...]

    def body(self) -> dict[str, Any]:
        """Return it as the REST API takes it."""
        destinations = {
            f"destination_{slot}": {"type": "tel", "target": number}
            for slot, number in enumerate(self.numbers)
        }
        return {"name": self.name, "detail": self.kind.meaning, "data": "", **destinations}


def planned_targets(count: int, *, seed: int) -> list[Planned]:
    """Return so many targets of all kinds in their shares, well mixed."""
    kinds = [kind for kind, many in zip(KINDS, shares(count), strict=True) for _ in range(many)]
    random.Random(seed).shuffle(kinds)  # noqa: S311  a seed is wanted
    planned, used = [], 0
    for order, kind in enumerate(kinds, 1):
        numbers = tuple(
            number_of(seed, used + slot, ending) for slot, ending in enumerate(kind.endings)
        )
        used += len(numbers)
        planned.append(Planned(f"target {order}", kind, numbers))
    return planned


def shares(count: int) -> list[int]:
    """Return how many targets of each kind there are among so many; they add up."""
    exact = [count * kind.percent / 100 for kind in KINDS]
    whole = [int(share) for share in exact]
    by_remainder = sorted(range(len(KINDS)), key=lambda at: whole[at] - exact[at])
    for at in by_remainder[: count - sum(whole)]:
        whole[at] += 1
    return whole


def number_of(seed: int, order: int, ending: str) -> str:
    """Return a number of fifteen digits: the run, the order in it, the behaviour."""
    return f"+15{seed % RUNS:03d}{order:05d}{ending}"
