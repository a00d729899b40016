"""What the items themselves tell, and what it says about the queue that carried them.

Each item appends a line when its I/O begins and one when its end is recorded. The journal is a
file that is only appended to, so it outlives whatever kills the worker.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """What the record of an item says in the end, if there is one."""

    RUNNING = "running"
    DONE = "done"
    AMBIGUOUS = "ambiguous"


@dataclass(frozen=True, slots=True)
class Journal:
    """What has been written so far.

    Attributes:
        began: How often each item's I/O began.
        ended: How often each item's end was recorded.
        first_at: When the first I/O began, in seconds; None before.
        last_at: When the last line was written, in seconds; None before.
    """

    began: Counter[int]
    ended: Counter[int]
    first_at: float | None
    last_at: float | None

    @property
    def seconds(self) -> float:
        """From the first line to the last."""
        return (self.last_at or 0.0) - (self.first_at or 0.0)


@dataclass(frozen=True, slots=True)
class Tally:
    """What became of the items; those that ended and began once are not in any count but `items`.

    Attributes:
        items: How many there were.
        in_flight: Whose I/O had begun and not ended when the worker was killed; a run in which
            this is small says nothing.
        lost: No end was ever recorded, and neither the queue nor a record knows of it any more.
        repeated: Their I/O began more than once.
        stranded: No end was ever recorded, though the queue still holds them, or a record says
            that they are running.
        ambiguous: Their record says honestly that nobody knows whether their I/O took place.
    """

    items: int
    in_flight: int
    lost: int
    repeated: int
    stranded: int
    ambiguous: int


def read(lines: Iterable[str]) -> Journal:
    """Return what lines of `began|ended ITEM SECONDS` say; a line cut short by a kill is skipped."""
    counts: dict[str, Counter[int]] = {"began": Counter(), "ended": Counter()}
    instants = []
    for line in lines:
        words = line.split()
        if len(words) != 3 or not line.endswith("\n") or words[0] not in counts:
            continue
        counts[words[0]][int(words[1])] += 1
        instants.append(float(words[2]))
    return Journal(
        counts["began"],
        counts["ended"],
        min(instants, default=None),
        max(instants, default=None),
    )


def in_flight(journal: Journal) -> int:
    """Return how many items have begun and not ended."""
    return len(journal.began.keys() - journal.ended.keys())


def tally(
    items: int, at_kill: Journal, journal: Journal, marks: Mapping[int, Mark], held: int
) -> Tally:
    """Return what became of items 0, 1, ... by the journal and by their records.

    Args:
        items: How many there were.
        at_kill: The journal when the worker was killed.
        journal: The journal in the end.
        marks: What the record of each item says in the end.
        held: How many items the queue itself still holds in the end, waiting or unacknowledged.
    """
    unended = [n for n in range(items) if not journal.ended[n] and marks.get(n) is not Mark.DONE]
    ambiguous = sum(marks.get(n) is Mark.AMBIGUOUS for n in unended)
    running = sum(marks.get(n) is Mark.RUNNING for n in unended)
    open_ = len(unended) - ambiguous
    stranded = min(open_, max(running, held))
    return Tally(
        items=items,
        in_flight=in_flight(at_kill),
        lost=open_ - stranded,
        repeated=sum(times > 1 for times in journal.began.values()),
        stranded=stranded,
        ambiguous=ambiguous,
    )
