"""What is left of a number, and when it goes: what Kafka keeps for a time, nobody can rewrite."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

DAY_MS = 24 * 3600 * 1000
USUAL = {"retention.ms": 7 * DAY_MS, "segment.ms": 7 * DAY_MS, "delete.retention.ms": DAY_MS}
"""Of Kafka, where a topic says nothing."""
UNBOUNDED_MS = 10 * 365 * DAY_MS
Config = Mapping[str, str]


class Goes(StrEnum):
    """How a trace goes away."""

    ERASED = "erased by this command"
    BY_TIME = "when kafka's retention is over"
    BY_COMPACTION = "when kafka compacts"
    IN_CALL = "when the call has ended: then run this again"
    PASSING = "on its way to kafka: look again"
    BY_HAND = "when you change it by the api: it is no target's"
    ON_LIST = "kept: it is on a do-not-call list"


@dataclass(frozen=True, slots=True)
class Trace:
    """Some places of one kind that name the number.

    Attributes:
        where: A topic, or a kind of key in Redis.
        count: How many.
        goes: How they go.
        by: When the last is gone at the latest; None: nobody can tell.
    """

    where: str
    count: int
    goes: Goes
    by: datetime | None = None

    @property
    def is_left(self) -> bool:
        """Whether it is to go and has not yet."""
        return self.goes is not Goes.ON_LIST


def gone_by_time(config: Config, newest_ms: int) -> datetime | None:
    """Return when Kafka has deleted a message of a topic that is kept for a time.

    A segment goes as a whole, once its newest message is old enough; until it is rolled, others
    may be written behind ours.
    """
    retention, segment = _ms(config, "retention.ms"), _ms(config, "segment.ms")
    return None if retention < 0 else _at(newest_ms + retention + segment)


def gone_by_compaction(config: Config, newest_ms: int, *, is_key: bool = False) -> datetime | None:
    """Return when Kafka has compacted away a message that was replaced; None: no limit is set.

    Args:
        config: Of the topic.
        newest_ms: When the newest of them was written.
        is_key: The key names the number: its tombstone has to go as well.
    """
    lag = int(config.get("max.compaction.lag.ms", UNBOUNDED_MS))
    if lag >= UNBOUNDED_MS:
        return None
    more = lag + _ms(config, "delete.retention.ms") if is_key else 0
    return _at(newest_ms + lag + more)


def last_of(traces: Iterable[Trace]) -> datetime | None:
    """Return when the last of them is gone; None: none is left, or nobody can tell."""
    left = [trace.by for trace in traces if trace.is_left]
    known = [by for by in left if by is not None]
    return max(known) if known and len(known) == len(left) else None


def _ms(config: Config, name: str) -> int:
    return int(config.get(name, USUAL[name]))


def _at(milliseconds: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=milliseconds)
