"""What a rebuild of Redis from Kafka is made of: folds that take messages and give commands.

A restored record has a version that nobody has ever seen, so whatever was decided before is stale,
and whatever was told before has a lower sequence than what is told next.
"""

from collections.abc import Iterator
from typing import Any, Protocol

from contracts.envelope import Envelope
from contracts.topics import Topic

from chassis.outbox import as_stored

VERSIONS_AHEAD = 1_000_000
OPERATION = "rebuilt"

Command = tuple[str | bytes | int | float, ...]
"""A Redis command; its key comes second."""


class Fold(Protocol):
    """Takes what Kafka tells, in the order of each key, and gives what belongs in Redis."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """What it reads."""

    @property
    def types(self) -> frozenset[str]:
        """Of which messages; others need not be parsed."""

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a message; a repeated or older one changes nothing."""

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore the state; more may be taken, and asked for, after."""


def version_of(sequence: int, messages_per_commit: int) -> int:
    """Return the version of a record whose last message had this sequence."""
    return sequence // messages_per_commit + VERSIONS_AHEAD


def record(key: str, version: int, body: bytes, operation: str = OPERATION) -> Command:
    """Return the command that restores a record."""
    return ("SET", key, as_stored(version, operation, body))
