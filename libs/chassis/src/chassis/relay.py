"""Publish the outboxes: exactly one active relay per shard, in order, in batches, acks=all.

A shard is held by a lease with a term (the holder's id carries it, so a late renewal of an old
term touches nothing). Members of a namespace share its shards evenly: each knows how many relays
are alive and takes no more than its part. After a takeover messages may repeat, with the same id
and sequence; consumers skip what they have seen.
"""

import asyncio
import math
import time
import uuid
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import structlog
from aiokafka import AIOKafkaProducer

from chassis.endings import end
from chassis.errors import TRANSIENT
from chassis.metrics import OUTBOX_AGE, OUTBOX_MESSAGES, PUBLISHED
from chassis.outbox import Outbox
from chassis.publisher import Outgoing, Publisher
from chassis.shards import lease_key, outbox_key, published_key, shards_of
from chassis.tracing import HEADER

log = structlog.get_logger()

LEASE_MS = 5000
BEAT_S = 1.0
MEASURED_EVERY_S = 5.0
ALIVE_S = 4.0
BATCH = 500
BLOCK_MS = 1000
FULL_BATCH = 100
GATHER_S = 0.01  # a small batch costs as much as a large one: let some more come together


class Relay:
    """Relays the shards of some namespaces, as far as they fall to this member."""

    def __init__(
        self,
        outbox: Outbox,
        producer: AIOKafkaProducer,
        namespaces: tuple[str, ...],
        on_trouble: Callable[[bool, str], None],
    ) -> None:
        self._redis = outbox.redis
        self._publisher = Publisher(producer)
        self._namespaces = namespaces
        self._on_trouble = on_trouble
        self._holder = uuid.uuid4().hex
        self._keep = outbox.script("chassis", "lease.lua")
        self._trim = outbox.script("chassis", "trim.lua")
        self._release = outbox.script("chassis", "unlease.lua")
        self._ahead_s = 0.0
        self._held: dict[str, asyncio.Task[None]] = {}
        self._held_until: dict[str, float] = {}
        self._troubles: dict[str, str] = {}

    async def run(self) -> None:
        """Hold and relay a fair part of the shards until cancelled; then give them back."""
        try:
            while True:
                try:
                    for namespace in self._namespaces:
                        await self._balance(namespace)
                except TRANSIENT as trouble:
                    log.warning("relay waits for redis", why=str(trouble))
                await asyncio.sleep(BEAT_S)
        finally:
            giving_back = asyncio.create_task(self._give_back())
            while not giving_back.done():  # who is cancelled once more still gives all of them back
                with suppress(asyncio.CancelledError):
                    await asyncio.shield(giving_back)

    async def measure(self) -> None:
        """Measure for ever how much waits in the outboxes of the shards that are held here."""
        while True:
            for namespace in self._namespaces:
                held = [shard for shard in shards_of(namespace) if shard in self._held]
                await self._measure(namespace.rstrip("!"), held)
            await asyncio.sleep(MEASURED_EVERY_S)

    async def _measure(self, namespace: str, shards: list[str]) -> None:
        waiting, oldest_s = 0, 0.0
        for shard in shards:
            count = int(await self._redis.xlen(outbox_key(shard)))
            waiting += count
            rows: Any = await self._redis.xrange(outbox_key(shard), count=1) if count else []
            if rows:  # else all was relayed between the two questions
                now = time.monotonic() + self._ahead_s
                oldest_s = max(oldest_s, now - int(rows[0][0].partition(b"-")[0]) / 1000)
        OUTBOX_MESSAGES.labels(namespace).set(waiting)
        OUTBOX_AGE.labels(namespace).set(oldest_s)

    async def _balance(self, namespace: str) -> None:
        shards = shards_of(namespace)
        part = math.ceil(len(shards) / await self._members(namespace))
        mine = [shard for shard in shards if shard in self._held]
        for shard in mine[part:]:
            await self._drop(shard)
        for shard in mine[:part]:
            await self._hold(shard)
        for shard in shards:
            if sum(other in self._held for other in shards) >= part:
                break
            if shard not in self._held:
                await self._hold(shard)

    async def _members(self, namespace: str) -> int:
        """Say that this relay is alive and return how many are."""
        key = f"{{relays-{namespace.rstrip('!')}}}:alive"
        now = await self._look_at_clock()
        await self._redis.zadd(key, {self._holder: now})
        await self._redis.zremrangebyscore(key, 0, now - ALIVE_S)
        return max(1, int(await self._redis.zcard(key)))

    async def _look_at_clock(self) -> float:
        """Return the store's time in seconds; what is told from now on is stamped by it."""
        seconds, micros = await self._redis.time()
        self._ahead_s = seconds + micros / 1_000_000 - time.monotonic()
        return float(seconds)

    def _stamp(self, entry_id: bytes) -> int:
        """Return when a message is published, in milliseconds of the store's clock.

        It is never too late, since that clock was read when its answer came, and never before the
        message was committed.
        """
        committed_ms = int(entry_id.partition(b"-")[0])
        return max(committed_ms, int((time.monotonic() + self._ahead_s) * 1000))

    async def _hold(self, shard: str) -> None:
        asked = time.monotonic()
        if await self._keep(keys=[lease_key(shard)], args=[self._holder, LEASE_MS]):
            self._held_until[shard] = asked + LEASE_MS / 1000
            if shard not in self._held or self._held[shard].done():
                self._held[shard] = asyncio.create_task(self._relay(shard))
        elif shard in self._held:
            await self._drop(shard)

    async def _drop(self, shard: str) -> None:
        """Give a shard back; if cancelled half way, `_give_back` does it again."""
        self._held_until.pop(shard, None)
        await end(self._held[shard])
        self._tell(shard, "")
        await self._release(keys=[lease_key(shard)], args=[self._holder])
        del self._held[shard]

    async def _give_back(self) -> None:
        try:
            for namespace in self._namespaces:
                key = f"{{relays-{namespace.rstrip('!')}}}:alive"
                await self._redis.zrem(key, self._holder)
            for shard in list(self._held):
                await self._drop(shard)
        except TRANSIENT as trouble:
            log.warning("leases are left to expire", why=str(trouble))
        await end(*self._held.values())

    async def _relay(self, shard: str) -> None:
        """Publish the outbox of one shard for as long as its lease is held."""
        last: bytes = b"0"
        while True:
            try:
                answer: Any = await self._redis.xread(
                    {outbox_key(shard): last}, count=BATCH, block=BLOCK_MS
                )
                if not answer:
                    self._tell(shard, "")
                    continue
                entries = (
                    answer[0][1] if isinstance(answer, list) else next(iter(answer.values()))[0]
                )
                if time.monotonic() > self._held_until.get(shard, 0.0):
                    log.warning("relay lease ran out", shard=shard)
                    await asyncio.sleep(BEAT_S)
                    continue
                await self._publish(entries)
                last = entries[-1][0]
                keys = [outbox_key(shard), published_key(shard), lease_key(shard)]
                if not await self._trim(keys=keys, args=[last, self._holder]):
                    log.warning("relay lease was lost", shard=shard)
                    last = b"0"  # if it is ours again, all that is left is published once more
                    await asyncio.sleep(BEAT_S)
                    continue
                self._tell(shard, "")
                if len(entries) < FULL_BATCH:
                    await asyncio.sleep(GATHER_S)
            except TRANSIENT as trouble:
                self._tell(shard, f"relay of {shard}: {trouble}")
                await asyncio.sleep(BEAT_S / 2)

    def _tell(self, shard: str, trouble: str) -> None:
        """Note the trouble of a shard ("" for none) and report what is left of all."""
        if trouble:
            self._troubles[shard] = trouble
        elif self._troubles.pop(shard, None) is None:
            return
        self._on_trouble(not self._troubles, next(iter(self._troubles.values()), ""))

    async def _publish(self, entries: list[tuple[bytes, dict[bytes, bytes]]]) -> None:
        messages = [
            Outgoing(
                topic=entry[b"t"].decode(),
                key=entry[b"k"],
                value=entry[b"v"],
                at_ms=self._stamp(id_),
                headers=_headers(entry),
            )
            for id_, entry in entries
        ]
        await self._publisher.publish(messages)
        for topic, count in Counter(message.topic for message in messages).items():
            PUBLISHED.labels(topic).inc(count)


def _headers(entry: dict[bytes, bytes]) -> list[tuple[str, bytes]]:
    headers = [
        ("ce_type", entry[b"y"]),
        ("correlationid", entry[b"c"]),
        ("content-type", b"application/cloudevents+json"),
    ]
    if b"p" in entry:
        headers.append((HEADER, entry[b"p"]))
    return headers
