"""The time line of a story: what lasted from when to when, and where nobody did anything."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from campaignctl.tracing.causes import Parent, Told

SILENCE = timedelta(seconds=2)
EXPECTED = {
    ("call.answered", "flow.started"): "nobody ran the flow",
    ("call.dialing", "call.ringing"): "the network told nothing",
    ("flow.finished", "call.hung_up"): "the call went on without its flow",
    ("call.hung_up", "call.settled"): "nobody settled the attempt",
}
"""What a silence between two messages means, where it means something."""


@dataclass(frozen=True, slots=True)
class Phase:
    """Something that lasted; `end` is None if the log does not say when it was over."""

    name: str
    attempt_id: str
    begin: datetime
    end: datetime | None


SPANS = (
    ("dialing", "call.dialing", ("call.ringing", "call.answered", "call.hung_up", "call.settled")),
    ("ringing", "call.ringing", ("call.answered", "call.hung_up", "call.settled")),
    ("up", "call.answered", ("call.hung_up", "call.settled")),
    ("talking to an agent", "call.bridged", ("call.unbridged", "call.hung_up", "call.settled")),
    ("settling", "call.hung_up", ("call.settled",)),
)


def phases(story: Sequence[Told]) -> list[Phase]:
    """Return what lasted, by when it began."""
    found = []
    for name, begin, ends in SPANS:
        for told in story:
            if told.type == begin:
                after = (one for one in story if _follows(one, told) and one.type in ends)
                end = next(after, None)
                found.append(Phase(name, told.subject, told.at, end.at if end else None))
    found += _actions(story)
    return sorted(found, key=lambda one: (one.begin, one.end or one.begin))


def _actions(story: Sequence[Told]) -> Iterator[Phase]:
    for told in story:
        if told.type == "flow.action_started":
            ends = (
                one for one in story
                if _follows(one, told) and one.type in {"flow.action_finished", "flow.finished"}
            )  # fmt: skip
            end = next(ends, None)
            name = f"action {told.body.get('action_type')}"
            yield Phase(name, told.subject, told.at, end.at if end else None)


def _follows(one: Told, told: Told) -> bool:
    is_later = (one.at, one.sequence) > (told.at, told.sequence) or (
        one.at >= told.at and one.source != told.source
    )
    return one.subject == told.subject and is_later


def silences(story: Sequence[Told]) -> list[str]:
    """Return the silences that mean something, in words."""
    found = []
    for (before, after), meaning in EXPECTED.items():
        for told in story:
            if told.type == before:
                ends = (one for one in story if _follows(one, told) and one.type == after)
                end = next(ends, None)
                if end is not None and end.at - told.at >= SILENCE:
                    lasted = (end.at - told.at).total_seconds()
                    found.append(
                        f"{lasted:.1f} s of silence between {before} and {after}: {meaning}"
                    )
    return found


def doubts(story: Sequence[Told], led_by: dict[str, Parent]) -> list[str]:
    """Return what cannot be known or cannot be right, in words."""
    found = []
    for attempt_id in dict.fromkeys(one.subject for one in story if one.type.startswith("call.")):
        types = {one.type for one in story if one.subject == attempt_id}
        if "call.dialing" not in types:
            found.append(f"the log does not hold the beginning of {attempt_id}")
        if "call.settled" not in types:
            found.append(f"{attempt_id} is not settled, or the log does not hold its end")
    by_id = {one.id: one for one in story}
    for told in story:
        parent = led_by.get(told.id)
        cause = by_id[parent.id] if parent else None
        if cause is not None and told.at < cause.at:
            early = (cause.at - told.at).total_seconds()
            found.append(
                f"{told.type} was decided {early:.3f} s before {cause.type}, which led to it: "
                "their clocks differ"
            )
    for one, other in pairwise(sorted(story, key=lambda row: (row.subject, row.source))):
        if (one.subject, one.source) == (other.subject, other.source) and (
            one.sequence < other.sequence and one.at > other.at
        ):
            found.append(f"the clock of {one.source} ran backwards at {other.type}")
    return found
