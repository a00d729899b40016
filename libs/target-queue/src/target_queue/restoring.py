"""The queue as Kafka tells it: targets in their order, due when they are due, and who is listed."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from chassis.restoring import Command, record, version_of
from contracts.envelope import Envelope
from contracts.number import ListedNumber, NumberChanged
from contracts.target import Target, TargetStatus
from contracts.topics import NUMBER_EVENTS, TARGET_EVENTS

from target_queue.keys import (
    clock_key,
    due_key,
    listed_key,
    number_key,
    number_shard,
    order_key,
    outdial_shard,
    target_key,
)
from target_queue.packing import microseconds, pack, unpack
from target_queue.queue import MESSAGES_PER_COMMIT


@dataclass(slots=True)
class _Kept:
    """A target as its last message told it, in few bytes."""

    target_id: str
    outdial_id: str
    sequence: int
    created: int
    due: int | None
    is_listed: bool
    body: bytes


class TargetsFold:
    """Restores the targets of all outdials."""

    topics = (TARGET_EVENTS,)
    types = frozenset(TARGET_EVENTS.types)

    def __init__(self) -> None:
        self._kept: dict[str, _Kept] = {}
        self._ids: dict[str, str] = {}
        self.progressing: set[str] = set()
        """Ids of the targets that were being called."""

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a target; an older one than the one that is kept changes nothing."""
        target: Target = envelope.body.target
        kept = self._kept.get(target.target_id)
        if kept is None or kept.sequence < envelope.sequence:
            is_called = target.status is TargetStatus.PROGRESSING and target.deleted_at is None
            (self.progressing.add if is_called else self.progressing.discard)(target.target_id)
            self._kept[target.target_id] = self._as_kept(target, envelope.sequence)

    def _as_kept(self, target: Target, sequence: int) -> _Kept:
        is_idle = target.status is TargetStatus.IDLE and target.deleted_at is None
        created = microseconds(target.created_at)
        return _Kept(
            target_id=target.target_id,
            outdial_id=self._ids.setdefault(target.outdial_id, target.outdial_id),
            sequence=sequence,
            created=created,
            due=(microseconds(target.due_at) if target.due_at else created) if is_idle else None,
            is_listed=target.deleted_at is None,
            body=pack(target),
        )

    def get(self, target_id: str) -> Target | None:
        """Return a target as its last message told it."""
        kept = self._kept.get(target_id)
        return unpack(target_id, kept.outdial_id, kept.body) if kept else None

    def commands(self, instead: Mapping[str, Target] | None = None) -> Iterator[Command]:
        """Return the commands that restore the targets, each outdial in the order of creation.

        Args:
            instead: Targets, by id, that are to be restored otherwise than their last message says.
        """
        last: dict[str, int] = {}
        for told in sorted(self._kept.values(), key=attrgetter("created")):
            other = instead.get(told.target_id) if instead else None
            kept = self._as_kept(other, told.sequence) if other else told
            shard = outdial_shard(kept.outdial_id)
            version = version_of(kept.sequence, MESSAGES_PER_COMMIT)
            yield record(target_key(shard, kept.target_id), version, kept.body)
            if kept.is_listed:
                place = f"{kept.created}-0"
                yield ("XADD", order_key(shard, kept.outdial_id), place, "t", kept.target_id)
            last[kept.outdial_id] = kept.created
            if kept.due is not None:
                yield ("ZADD", due_key(shard, kept.outdial_id), kept.due, kept.target_id)
        for outdial_id, created in last.items():
            key = clock_key(outdial_shard(outdial_id), outdial_id)
            yield record(key, version_of(0, MESSAGES_PER_COMMIT), str(created).encode())


class NumbersFold:
    """Restores the do-not-call lists."""

    topics = (NUMBER_EVENTS,)
    types = frozenset(NUMBER_EVENTS.types)

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, ListedNumber]] = {}

    def take(self, envelope: Envelope[NumberChanged]) -> None:
        """Take what a number is on; what was told before that changes nothing."""
        if envelope.sequence > self._kept.get(envelope.subject, (-1,))[0]:
            self._kept[envelope.subject] = envelope.sequence, envelope.body.number

    def bury(self, subject: str) -> None:
        """Forget a number: what was told of it before its tombstone is void."""
        self._kept.pop(subject, None)

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore the lists."""
        for sequence, listed in self._kept.values():
            key = number_key(listed.customer_id, listed.number, "lists")
            body = json.dumps(list(listed.list_ids), separators=(",", ":")).encode()
            yield record(key, version_of(sequence, MESSAGES_PER_COMMIT), body)
            yield from _indexed(listed)


def _indexed(listed: ListedNumber) -> Iterable[Command]:
    shard = number_shard(listed.customer_id, listed.number)
    return (("ZADD", listed_key(shard, id_), 0, listed.number) for id_ in listed.list_ids)
