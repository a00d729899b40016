"""Where a number is: all topics with their dead letters from end to end, and every key of Redis."""

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aiokafka import ConsumerRecord
from chassis.outbox import Record, record_of
from chassis.shards import tag_of
from contracts.topics import CATALOGUE, NUMBER_EVENTS, TARGET_EVENTS, Cleanup, Topic
from redis.asyncio import Redis

from campaignctl.forgetting.remains import (
    Config,
    Goes,
    Trace,
    gone_by_compaction,
    gone_by_time,
)
from campaignctl.forgetting.spelling import Spelling
from campaignctl.log import Log, type_of

READ_AT_ONCE = 1_000
EVERY: tuple[Topic, ...] = (*CATALOGUE, *(
    replace(topic, name=topic.dead_letter, partitions=1, cleanup=Cleanup.DELETE)
    for topic in CATALOGUE
))  # fmt: skip
COMPACTED = frozenset(topic.name for topic in CATALOGUE if topic.cleanup is Cleanup.COMPACT)


@dataclass(slots=True)
class Found:
    """Where a number is.

    Attributes:
        targets: Outdial by target, of those whose record names it.
        attempts: Customer by attempt, of those that have rung it or would have.
        ended: Keys of records of attempts and flow runs that are over.
        open: Keys of such records of a call that is not over.
        calls: Keys of campaigncalls that name it.
        owners: Customers that have something of the number itself, here or on Kafka.
        owned: Those that have it in Redis.
        listed: Customers that have it on a do-not-call list.
        others: Keys of Redis that name it and are nothing of these, by kind.
        latest: By topic, keys whose last message names it.
        forgotten: Attempts of which Kafka says already that their party is forgotten.
        counts: Messages that name it, by topic.
        newest_ms: When the newest of these was written, by topic.
        redis_targets: Targets in Redis that name it.
        on_its_way: Messages that name it and wait for a relay.
    """

    targets: dict[str, str] = field(default_factory=dict)
    attempts: dict[str, str] = field(default_factory=dict)
    ended: set[str] = field(default_factory=set)
    open: set[str] = field(default_factory=set)
    calls: set[str] = field(default_factory=set)
    owners: set[str] = field(default_factory=set)
    owned: set[str] = field(default_factory=set)
    listed: set[str] = field(default_factory=set)
    others: Counter[str] = field(default_factory=Counter)
    latest: dict[str, set[bytes]] = field(default_factory=lambda: defaultdict(set))
    forgotten: set[str] = field(default_factory=set)
    counts: Counter[str] = field(default_factory=Counter)
    newest_ms: Counter[str] = field(default_factory=Counter)
    redis_targets: set[str] = field(default_factory=set)
    on_its_way: int = 0

    def traces(self, configs: dict[str, Config]) -> list[Trace]:
        """Return what there is, kind by kind, and how it goes."""
        kinds = (
            ("redis: targets", len(self.redis_targets), Goes.ERASED),
            ("redis: campaigncalls", len(self.calls), Goes.ERASED),
            ("redis: attempts and flow runs that are over", len(self.ended), Goes.ERASED),
            ("redis: calls that are not over", len(self.open), Goes.IN_CALL),
            ("redis: attempts per number", len(self.owned - self.listed), Goes.ERASED),
            ("redis: outboxes", self.on_its_way, Goes.PASSING),
            ("redis: do-not-call lists", len(self.listed), Goes.ON_LIST),
        )
        found = [Trace(where, count, goes) for where, count, goes in kinds if count]
        found += [Trace(f"redis: {k}", n, Goes.BY_HAND) for k, n in sorted(self.others.items())]
        for topic in sorted(self.counts):
            found += self._of_topic(topic, configs.get(topic, {}))
        return found

    def _of_topic(self, topic: str, config: Config) -> list[Trace]:
        newest, count = self.newest_ms[topic], self.counts[topic]
        if topic not in COMPACTED:
            return [Trace(topic, count, Goes.BY_TIME, gone_by_time(config, newest))]
        last = len(self.latest[topic])
        is_key = topic == NUMBER_EVENTS.name
        if is_key and self.listed:
            return [Trace(topic, count, Goes.ON_LIST)]
        is_ours = is_key or topic == TARGET_EVENTS.name
        goes = Goes.ERASED if is_ours else Goes.BY_HAND
        by = gone_by_compaction(config, newest, is_key=is_key)
        found = [Trace(topic, last, goes)] if last else []
        if count > last:
            found.append(Trace(topic, count - last, Goes.BY_COMPACTION, by))
        return found


async def scan(log: Log, redis: Redis, spelling: Spelling) -> Found:
    """Look everywhere; a log of ten million messages takes some minutes."""
    found = Found()
    ends = await log.unread()
    while ends:
        for records in await log.read(ends):
            _take(found, records, spelling)
    await _look_into(redis, found, spelling)
    return found


# ---- kafka


def _take(found: Found, records: Sequence[ConsumerRecord], spelling: Spelling) -> None:
    for record in records:
        topic, key = record.topic, record.key or b""
        if topic == "resource.events" and key.startswith(b"forgotten/"):
            found.forgotten.add(key.decode().partition("/")[2])
        names_it = spelling.is_in(record.value) or spelling.is_in(key)
        if topic in COMPACTED:
            is_live = names_it and record.value is not None
            (found.latest[topic].add if is_live else found.latest[topic].discard)(key)
        if not names_it:
            if topic == TARGET_EVENTS.name:
                found.targets.pop(key.decode(), None)
            continue
        found.counts[topic] += 1
        found.newest_ms[topic] = max(found.newest_ms[topic], record.timestamp)
        _learn(found, record, key)


def _learn(found: Found, record: ConsumerRecord, key: bytes) -> None:
    """Take the ids of what has to be forgotten."""
    kind = type_of(record)
    if record.topic == NUMBER_EVENTS.name:
        found.owners.add(key.decode().partition("/")[0])
    elif record.topic == TARGET_EVENTS.name and record.value is not None:
        found.targets[key.decode()] = json.loads(record.value)["data"]["target"]["outdial_id"]
    elif kind == "call.dialing":
        attempt = json.loads(record.value)["data"]["attempt"]
        found.attempts[attempt["attempt_id"]] = attempt["customer_id"]


# ---- redis


async def _look_into(redis: Redis, found: Found, spelling: Spelling) -> None:
    keys: dict[str, list[str]] = defaultdict(list)
    async for raw in redis.scan_iter(match="{*", count=READ_AT_ONCE):
        key = raw.decode()
        of_shard = keys[tag_of(key)]
        of_shard.append(key)
        if len(of_shard) >= READ_AT_ONCE:
            await _look_at(redis, keys.pop(tag_of(key)), found, spelling)
    for of_shard in keys.values():
        await _look_at(redis, of_shard, found, spelling)


async def _look_at(redis: Redis, keys: list[str], found: Found, spelling: Spelling) -> None:
    stored: list[Any] = await redis.mget(keys)  # what is no string has no value here
    for key, value in zip(keys, stored, strict=True):
        if spelling.is_in(key.encode()):
            _of_number(key, value, found)
        elif value is not None:
            if spelling.is_in(value) and (record := record_of(value)):
                await _of_record(redis, key, record, found)
        elif key.endswith(":outbox"):
            rows: Any = await redis.xrange(key)
            found.on_its_way += sum(any(map(spelling.is_in, row.values())) for _, row in rows)


def _of_number(key: str, value: bytes | None, found: Found) -> None:
    owner, _, part = key.partition(":number:")[2].rpartition(":")
    customer_id = owner.partition("/")[0]
    found.owners.add(customer_id)
    found.owned.add(customer_id)
    record = record_of(value) if part == "lists" else None
    if record is not None and json.loads(record.body):
        found.listed.add(customer_id)


async def _of_record(redis: Redis, key: str, record: Record, found: Found) -> None:
    kind, _, id_ = key.partition("}:")[2].partition(":")
    match kind:
        case "target":
            found.redis_targets.add(id_)
        case "call":
            call = json.loads(record.body)
            found.calls.add(id_)
            if call.get("attempt"):
                found.attempts.setdefault(id_, call["attempt"]["customer_id"])
        case "attempt" | "run":
            is_over = await redis.pttl(key) > 0  # what is over is kept for a while only
            (found.ended if is_over else found.open).add(key)
        case _:
            found.others[kind] += 1
