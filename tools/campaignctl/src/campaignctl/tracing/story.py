"""The messages of a call, or of all calls of a target, gathered from the log."""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from chassis.shards import partition_of
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    CAMPAIGN_EVENTS,
    FLOW_COMMANDS,
    FLOW_EVENTS,
    TARGET_EVENTS,
    Topic,
)

from campaignctl.errors import CannotGoOn
from campaignctl.history import Range
from campaignctl.log import LogRecord
from campaignctl.tracing.causes import Told

OF_ATTEMPT = (CALL_EVENTS, FLOW_COMMANDS, CALL_COMMANDS, FLOW_EVENTS)
Read = Callable[[Range], Iterator[LogRecord]]


@dataclass(frozen=True, slots=True)
class Story:
    """A story as it was told.

    Attributes:
        name: What it is about.
        messages: In the order in which they were decided.
        repeated: How many were in the log more than once.
        unreadable: How many were no envelopes.
    """

    name: str
    messages: tuple[Told, ...]
    repeated: int
    unreadable: int


def gather(read: Read, which: Range, id_: str) -> Story:
    """Return the story of an attempt, a call, a flow run or a target.

    Args:
        read: Reads a range of the log.
        which: Where the log is.
        id_: Of an attempt, which is the id of its call; of its activeflow; or of a target.

    Raises:
        CannotGoOn: The log knows no such thing.
    """
    told = _Gathering()
    told.take(_of(read, which, OF_ATTEMPT, id_))
    if not told.messages:
        for attempt_id in _attempts(read, which, id_):
            told.take(_of(read, which, OF_ATTEMPT, attempt_id))
    intents = [one for one in told.messages.values() if one.type == "call.dialing"]
    target_ids = {one.body["attempt"]["target_id"] for one in intents} or {id_}
    for target_id in sorted(target_ids):
        ours = {one.subject for one in told.messages.values()}
        rows = _of(read, which, (TARGET_EVENTS,), target_id)
        told.take(row for row in rows if row.correlation_id in {*ours, target_id})
    judged_by = {one.cause for one in told.messages.values() if one.cause} - told.messages.keys()
    for campaign_id in sorted({_campaign_of(cause) for cause in judged_by} - {""}):
        rows = _of(read, which, (CAMPAIGN_EVENTS,), campaign_id)
        told.take(rows, only=frozenset(judged_by))
    if not told.messages:
        raise CannotGoOn(
            f"the log knows no attempt, call, activeflow or target {id_}: is it an id of the API, "
            "and does the log go back that far?"
        )
    messages = tuple(sorted(told.messages.values(), key=lambda one: one.order))
    return Story(id_, messages, told.repeated, told.unreadable)


def _campaign_of(cause: str) -> str:
    """Return which campaign the message of an id is about; "": it is about something else."""
    source, _, rest = cause.partition("/")
    return rest.rpartition("/")[0] if source == "campaign-manager" else ""


class _Gathering:
    def __init__(self) -> None:
        self.messages: dict[str, Told] = {}
        self.repeated = self.unreadable = 0

    def take(self, records: Iterator[LogRecord], only: frozenset[str] | None = None) -> None:
        for record in records:
            told = _told(record)
            if told is None:
                self.unreadable += 1
            elif only is not None and told.id not in only:
                continue
            elif told.id in self.messages:
                self.repeated += 1
            else:
                self.messages[told.id] = told


def _of(read: Read, which: Range, topics: tuple[Topic, ...], key: str) -> Iterator[LogRecord]:
    """Yield the records of a key; its partition alone is read."""
    kept = {(topic.name, partition_of(key, topic.partitions)) for topic in topics}
    narrow = replace(which, topics=topics, partitions=frozenset(kept))
    return (record for record in read(narrow) if record.key == key)


def _attempts(read: Read, which: Range, id_: str) -> list[str]:
    """Return the attempts of a target, or the one whose activeflow has this id."""
    found = []
    for record in read(replace(which, topics=(CALL_EVENTS,))):
        if record.type == "call.dialing" and record.key is not None:
            flow_id = str(uuid.uuid5(uuid.NAMESPACE_URL, f"{record.key}/flow"))
            if flow_id == id_ or f'"target_id":"{id_}"'.encode() in _packed(record):
                found.append(record.key)
    return list(dict.fromkeys(found))


def _packed(record: LogRecord) -> bytes:
    return (record.value or b"").replace(b'": "', b'":"')


def _told(record: LogRecord) -> Told | None:
    try:
        row = json.loads(record.value or b"")
        return Told(
            id=row["id"],
            type=row["type"],
            source=row["source"],
            subject=row["subject"],
            sequence=row["sequence"],
            at=datetime.fromisoformat(row["time"]),
            cause=row.get("causationid"),
            body=row["data"],
        )
    except (ValueError, KeyError, TypeError):
        return None
