"""Commit state and the messages it causes in one atomic step; wait until Kafka has them.

Use cases load records with their versions, decide, and commit a `Change`. Commits made at the same
time travel together in one script call per shard, so running things concurrently is all the
batching anyone needs. A relay (see `relay`) publishes the messages in the order of the commits.
"""

import asyncio
import heapq
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from itertools import count
from typing import Any, NamedTuple

import structlog
from contracts.envelope import Envelope
from contracts.topics import Topic
from redis.asyncio import Redis
from redis.exceptions import ResponseError

from chassis.epoch import REMEDY, Epoch, Lost, Script, epoch_key
from chassis.errors import TRANSIENT, Forgotten, Transient
from chassis.gather import Gather
from chassis.metrics import COMMIT_SECONDS, COMMITS
from chassis.shards import ANNOUNCED, outbox_key, published_key, tag_of
from chassis.spans import Span
from chassis.tracing import TRACES

log = structlog.get_logger()

PUBLISH_LIMIT_S = 30.0
RECHECK_S = 0.5

StreamId = tuple[int, int]


class StaleWrite(Exception):
    """The record has changed since it was read: read it again and decide again."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key


class Record(NamedTuple):
    """A stored value and its version, which grows by one with each write, from 1."""

    version: int
    body: bytes


class Position(NamedTuple):
    """Where a change's last message stands in the outbox of its shard, and in which epoch."""

    shard: str
    id: StreamId
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class Write:
    """A new body for a record, valid only over the version it was decided on.

    Attributes:
        key: The record, `{shard}:kind:id`.
        expected: Its version when it was read; 0 if it did not exist.
        body: The new body; None deletes the record.
    """

    key: str
    expected: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Guard:
    """A record that the decision relied on and does not change: its version must still be this."""

    key: str
    expected: int


@dataclass(frozen=True, slots=True)
class OutMessage:
    """A message as it will stand on Kafka; its span, if it is followed."""

    topic: str
    key: str
    type: str
    correlation_id: str
    value: bytes
    span: Span | None = field(default=None, compare=False)

    @classmethod
    def of(cls, topic: Topic, envelope: Envelope[Any], key: str | None = None) -> "OutMessage":
        """Return the message of an envelope; its key is the subject unless given."""
        span = TRACES.stamped(topic, envelope)
        if span is not None:
            envelope = envelope.model_copy(update={"traceparent": span.traceparent})
        return cls(
            topic=topic.name,
            key=key or envelope.subject,
            type=envelope.type,
            correlation_id=envelope.correlation_id,
            value=envelope.encode(),
            span=span,
        )


@dataclass(frozen=True, slots=True)
class Change:
    """What one decision changes, all of it in one shard, all of it or nothing.

    Attributes:
        shard: The hash tag that all keys carry.
        operation: Names the decision: committing it again is a no-op that succeeds, as long as
            it writes a record.
        writes: Records with the versions they were decided on.
        guards: Records that must not have changed either.
        also: Further Redis commands on keys of the shard, such as `("ZADD", key, score, member)`.
        messages: What to publish, in order.
    """

    shard: str
    operation: str
    writes: tuple[Write, ...] = ()
    guards: tuple[Guard, ...] = ()
    also: tuple[tuple[str | bytes | int | float, ...], ...] = ()
    messages: tuple[OutMessage, ...] = ()

    def words(self) -> list[Any]:
        """Return the change as the flat arguments of the commit script."""
        words: list[Any] = [self.operation, len(self.writes) + len(self.guards)]
        for write in self.writes:
            kind = "del" if write.body is None else "set"
            words += (write.key, write.expected, kind, write.body or b"")
        for guard in self.guards:
            words += (guard.key, guard.expected, "check", b"")
        words.append(len(self.also))
        for command in self.also:
            words.append(len(command))
            words += command
        words.append(len(self.messages))
        for message in self.messages:
            words += (
                message.topic, message.key, message.type, message.correlation_id, message.value,
                message.span.traceparent if message.span else b"",
            )  # fmt: skip
        return words


def stream_id(written: bytes | str) -> StreamId:
    """Return a Redis stream id as a pair that can be compared."""
    text = written.decode() if isinstance(written, bytes) else written
    milliseconds, _, number = text.partition("-")
    return int(milliseconds), int(number)


def as_stored(version: int, operation: str, body: bytes) -> bytes:
    """Return a record as it lies in Redis, the inverse of `record_of`."""
    return b"%d|%s|%s" % (version, operation.encode(), body)


def record_of(stored: bytes | str | None) -> Record | None:
    """Return what a stored value holds."""
    if not isinstance(stored, bytes):
        return None
    version, _, body = stored.split(b"|", 2)
    return Record(int(version), body)


class Outbox:
    """Records and messages of all shards, over one Redis.

    Attributes:
        redis: The client, for what needs no epoch.
        epoch: Demanded of whatever is read or changed.
    """

    def __init__(self, redis: Redis, epoch: Epoch | None = None) -> None:
        self.redis = redis
        self.epoch = epoch or Epoch()
        self._script = self.script("chassis", "commit.lua")
        self._commits: Gather[Change, Position] = Gather(self._send)
        self._asked: dict[str, list[tuple[str, asyncio.Future[Record | None]]]] = {}
        self._reading: set[asyncio.Task[None]] = set()
        self._published: dict[str, StreamId] = {}
        self._order = count()
        self._hearing: dict[str, list[tuple[StreamId, int, asyncio.Future[None]]]] = {}

    def script(self, package: str, name: str, *, in_any_epoch: bool = False) -> Script:
        """Return a Lua script of a package, which runs in our epoch only unless told otherwise."""
        text = files(package).joinpath(name).read_text(encoding="utf-8")
        return Script(self.redis, Epoch() if in_any_epoch else self.epoch, text)

    async def read(self, key: str) -> Record | None:
        """Return the record, or None if there is none. Reads of one moment travel together.

        Raises:
            Lost: Nobody knows: the shard is not in our epoch.
        """
        future: asyncio.Future[Record | None] = asyncio.get_running_loop().create_future()
        shard = key.partition("}")[0]
        if shard in self._asked:
            self._asked[shard].append((key, future))
        else:
            self._asked[shard] = [(key, future)]
            self._reading.add(task := asyncio.create_task(self._read_together(shard)))
            task.add_done_callback(self._reading.discard)
        return await future

    async def _read_together(self, shard: str) -> None:
        asked = self._asked.pop(shard)
        try:
            records = await self.read_many([key for key, _ in asked])
        except Exception as error:
            for _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), record in zip(asked, records, strict=True):
            if not future.done():
                future.set_result(record)

    async def read_many(self, keys: Sequence[str]) -> list[Record | None]:
        """Return the records of keys that share a shard, in their order.

        Raises:
            Lost: Nobody knows: the shard is not in our epoch.
        """
        if not keys:
            return []
        stamped, *stored = await self.redis.mget([epoch_key(tag_of(keys[0])), *keys])
        if self.epoch.name and stamped != self.epoch.name.encode():
            raise Lost(f"redis has lost what it held: {REMEDY}")
        return [record_of(one) for one in stored]

    async def commit(self, change: Change) -> Position:
        """Make the change and return where its last message stands.

        Raises:
            StaleWrite: A record has another version than expected; nothing has changed.
            Transient: Redis is away; it may or may not have happened, commit the same again.
            redis.exceptions.ResponseError: One of the further commands is wrong; no record has
                changed, nothing is told, and those who committed at the same time feel nothing.
        """
        if not TRACES.is_on:
            return await self._commits.ask(change.shard, change)
        begun_ns = time.time_ns()
        position = await self._commits.ask(change.shard, change)
        TRACES.created((one.span for one in change.messages), begun_ns, time.time_ns())
        return position

    async def _send(self, shard: str, batch: list[Change]) -> list[Position | Exception]:
        words: list[Any] = [len(batch)]
        for change in batch:
            words += change.words()
        epoch = self.epoch.name
        try:
            with COMMIT_SECONDS.time():
                answers = await self._script(keys=[outbox_key(shard)], args=words)
        except Lost:
            raise
        except TRANSIENT as trouble:
            raise Transient(f"redis is away: {trouble}") from trouble
        except Exception:
            log.exception("commit failed", shard=shard)
            raise
        told = [_told(shard, answer, epoch) for answer in answers]
        stale = sum(isinstance(one, StaleWrite) for one in told)
        failed = sum(isinstance(one, ResponseError) for one in told)
        for result, many in (("stale", stale), ("failed", failed)):
            COMMITS.labels(result).inc(many)
        COMMITS.labels("done").inc(len(told) - stale - failed)
        return told

    async def tail(self, shard: str) -> Position:
        """Return where the outbox of a shard ends: all that has been committed is before it."""
        epoch = self.epoch.name
        rows: Any = await self.redis.xrevrange(outbox_key(shard), count=1)
        return Position(shard, stream_id(rows[0][0]) if rows else (0, 0), epoch)

    async def published(self, position: Position) -> None:
        """Return once Kafka has everything up to the position (acks=all).

        Raises:
            Transient: Not within half a minute; the messages are kept and will follow.
            Forgotten: Redis was rebuilt meanwhile, with or without them.
        """
        await self._heard(position)
        self._check_epoch(position)

    def _check_epoch(self, position: Position) -> None:
        if position.epoch != self.epoch.name:
            raise Forgotten("redis was rebuilt before it was known whether kafka has the message")

    async def _heard(self, position: Position) -> None:
        if position.id <= self._published.get(position.shard, (0, 0)):
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heap = self._hearing.setdefault(position.shard, [])
        heapq.heappush(heap, (position.id, next(self._order), future))
        waited = 0.0
        while not future.done():
            done, _ = await asyncio.wait((future,), timeout=RECHECK_S)
            self._check_epoch(position)
            if not done:
                waited += RECHECK_S
                await self._recheck(position.shard)
            if waited >= PUBLISH_LIMIT_S and not future.done():
                future.cancel()
                raise Transient("the message is kept, but Kafka has not taken it yet")

    async def _recheck(self, shard: str) -> None:
        """An announcement can be missed while a connection is renewed: look the value up."""
        try:
            stored = await self.redis.get(published_key(shard))
        except TRANSIENT:
            return
        if stored:
            self.hear(shard, stream_id(stored))

    def hear(self, shard: str, last: StreamId) -> None:
        """Take note that everything of a shard up to an id is published."""
        if last <= self._published.get(shard, (0, 0)):
            return
        self._published[shard] = last
        heap = self._hearing.get(shard, [])
        while heap and heap[0][0] <= last:
            _, _, future = heapq.heappop(heap)
            if not future.done():
                future.set_result(None)

    async def listen(self) -> None:
        """Hear the relays' announcements, for as long as the program runs."""
        await self.redis.initialize()  # a cluster's client must know the nodes first
        async with self.redis.pubsub() as pubsub:
            await pubsub.psubscribe(f"{{*}}:{ANNOUNCED}")
            async for heard in pubsub.listen():
                if heard["type"] == "pmessage":
                    shard = heard["channel"].decode().partition("}")[0][1:]
                    self.hear(shard, stream_id(heard["data"]))


def _told(shard: str, answer: bytes, epoch: str) -> Position | Exception:
    if answer.startswith(b"stale:"):
        return StaleWrite(answer[6:].decode())
    if answer.startswith(b"failed:"):
        return ResponseError(answer[7:].decode())
    return Position(shard, stream_id(answer), epoch)
