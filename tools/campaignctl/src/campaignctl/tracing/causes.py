"""Which message led to which: as recorded, or by the rules of the trade where nothing is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Told:
    """One message of a story.

    Attributes:
        at: When it was decided, by whoever decided it.
        cause: The id of the message that caused it, as it says itself.
    """

    id: str
    type: str
    source: str
    subject: str
    sequence: int
    at: datetime
    cause: str | None
    body: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, str, int]:
        """By when it was decided; of one commit, in the order of its messages."""
        return self.at, self.source, self.sequence


@dataclass(frozen=True, slots=True)
class Parent:
    """What led to a message, and whether that is only inferred."""

    id: str
    is_inferred: bool


SAME_FIELD: dict[str, tuple[tuple[str, ...], str]] = {
    "call.playback_finished": (("call.play",), "playback_id"),
    "call.bridged": (("call.bridge",), "leg_id"),
    "call.bridge_failed": (("call.bridge",), "leg_id"),
    "call.unbridged": (("call.bridge",), "leg_id"),
}
"""What a fact answers: a command that names the same thing."""

LATEST: dict[str, tuple[str, ...]] = {
    "call.ringing": ("call.dialing",),
    "call.answered": ("call.dialing",),
    "call.adopted": ("call.dialing",),
    "call.digit_pressed": ("call.answered",),
    "call.hung_up": ("call.hang_up", "call.dialing"),
    "call.settled": ("call.hung_up", "flow.finished", "call.dialing"),
    "call.dialing": ("campaign.status_changed",),
    "target.changed": ("call.settled", "call.dialing"),
    "flow.started": ("call.answered", "flow.start"),
}
"""What comes before a fact, if nothing names it: the first type of which there is one."""


def parents(story: Sequence[Told]) -> dict[str, Parent]:
    """Return what led to each message of a story; whatever nothing led to is left out."""
    ids = {told.id for told in story}
    found = {}
    for told in story:
        if told.cause in ids:
            found[told.id] = Parent(str(told.cause), is_inferred=False)
        elif (guessed := _inferred(told, story)) is not None:
            found[told.id] = Parent(guessed.id, is_inferred=True)
    return found


def _inferred(told: Told, story: Sequence[Told]) -> Told | None:
    if told.type in SAME_FIELD:
        types, field = SAME_FIELD[told.type]
        same = [
            one for one in story
            if one.type in types and one.body.get(field) == told.body.get(field)
        ]  # fmt: skip
        if same:
            return same[0]
    types = LATEST.get(told.type, ("flow.action_started",) if told.source == "flow-runner" else ())
    for type_ in types:
        before = [
            one for one in story
            if one.type == type_ and one.order < told.order and _is_of_same(told, one)
        ]  # fmt: skip
        if before:
            return max(before, key=lambda one: one.order)
    return None


def _is_of_same(told: Told, one: Told) -> bool:
    """Whether two messages are about the same attempt, or one of them is about something larger."""
    attempt, other = (row.body.get("attempt_id") for row in (told, one))
    return attempt is None or other is None or attempt == other
