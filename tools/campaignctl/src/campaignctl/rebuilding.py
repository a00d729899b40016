"""Redis from Kafka: read the log to its end, fold it by the services' own code, write what is.

While it lasts no service does anything: the epoch is closed first, and the next one begins last.
What a relay had read before may still reach Kafka for as long as its lease lasts, so the log is
read to the end that it has after that.
"""

import asyncio
import gc
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.resources import files
from itertools import islice
from typing import Any

from aiokafka import ConsumerRecord
from campaign_manager.usecases.restoring import CampaignCallsFold, DefinitionsFold
from chassis import epoch as epochs
from chassis.connections import Connections
from chassis.epoch import RECORD, Epoch, Lost, epoch_key
from chassis.relay import LEASE_MS
from chassis.restoring import Command, Fold
from chassis.shards import every_shard, tag_of
from chassis.store import connect
from contracts.base import Unrecognized
from contracts.topics import NUMBER_EVENTS, Topic
from dialer.usecases.restoring import DialerFold
from flow_runner.usecases.restoring import FlowsFold
from pydantic import ValidationError
from redis.asyncio import Redis
from target_queue.restoring import NumbersFold

from campaignctl.errors import CannotGoOn
from campaignctl.log import Log, type_of

LOCK = "{epoch}:rebuild"
LOCKED_MS = 30_000
RELAYS_REST_S = LEASE_MS / 1000 + 0.5
WRITTEN_AT_ONCE = 3_000


@dataclass(slots=True)
class Rebuilding:
    """How far a rebuild has got.

    Attributes:
        step: What it does, in a word or two.
        done: How many messages it has read, or commands it has written.
        total: Of how many; 0 where that is not known.
    """

    step: str = "waiting"
    done: int = 0
    total: int = 0


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild has done.

    Attributes:
        messages: How many it has read.
        unreadable: How many of these nobody could parse.
        records: How many commands it has written.
        took_s: Seconds, waiting for the relays included.
    """

    messages: int
    unreadable: int
    records: int
    took_s: float


class Folding:
    """All folds together: each message is parsed once, and only if one of them needs it."""

    def __init__(self) -> None:
        self._numbers = NumbersFold()
        self._folds: tuple[Fold, ...] = (
            DefinitionsFold(),
            self._numbers,
            DialerFold(),
            CampaignCallsFold(),
            FlowsFold(),
        )
        self._wanted: dict[str | None, list[Fold]] = defaultdict(list)
        for fold in self._folds:
            for name in fold.types:
                self._wanted[name].append(fold)
        self._parse = {
            topic.name: topic.adapter().validate_json for topic in topics_of(self._folds)
        }
        self.messages = 0
        self.unreadable = 0

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take what was read of a partition."""
        self.messages += len(records)
        for record in records:
            if record.value is None and record.topic == NUMBER_EVENTS.name and record.key:
                self._numbers.bury(record.key.decode())
            folds = self._wanted.get(type_of(record))
            parse = self._parse.get(record.topic)
            if not folds or parse is None or record.value is None:
                continue
            try:
                envelope = parse(record.value)
            except ValidationError:
                self.unreadable += 1
                continue
            if not isinstance(envelope.body, Unrecognized):
                for fold in folds:
                    fold.take(envelope)

    def commands(self) -> Iterator[Command]:
        """Return the commands of all folds."""
        for fold in self._folds:
            yield from fold.commands()


def topics_of(folds: Iterable[Fold]) -> set[Topic]:
    """Return what some folds read."""
    return {topic for fold in folds for topic in fold.topics}


async def is_lost(bootstrap: str, redis_url: str) -> str:
    """Return why Redis needs a rebuild; "" if it holds what was written, or nothing ever was."""
    redis = connect(Connections(redis_url=redis_url).redis)
    try:
        await epochs.adopt(redis, Epoch())
    except Lost as lost:
        async with Log(bootstrap) as log:
            return "" if await log.is_empty() else str(lost)
    finally:
        await redis.aclose()
    return ""


async def rebuild(
    bootstrap: str,
    redis_url: str,
    *,
    relays_rest_s: float = RELAYS_REST_S,
    told: Rebuilding | None = None,
) -> Rebuilt:
    """Make Redis hold what Kafka tells, and nothing else of ours.

    Args:
        bootstrap: Kafka's address.
        redis_url: Redis's.
        relays_rest_s: How long services that run now may still publish; 0 if none runs.
        told: Kept up to date, for whoever watches.

    Raises:
        CannotGoOn: Another rebuild is under way.
    """
    began, told = time.monotonic(), told or Rebuilding()
    redis, folding = connect(Connections(redis_url=redis_url).redis), Folding()
    if not await redis.set(LOCK, "1", nx=True, px=LOCKED_MS):
        raise CannotGoOn(
            "another rebuild is under way; if it has died, this works in half a minute"
        )
    locked = asyncio.create_task(_keep_locked(redis))
    try:
        async with Log(bootstrap) as log:
            await epochs.close(redis)
            rest = asyncio.create_task(asyncio.sleep(relays_rest_s))
            told.step = "clearing redis"
            await _clear(redis)
            with _no_search_for_garbage():
                await _read(log, folding, told)
                await rest
                await _read(log, folding, told)
                records = await _write(redis, folding.commands(), told)
            await epochs.begin(redis)
    finally:
        locked.cancel()
        await redis.delete(LOCK)
        await redis.aclose()
    return Rebuilt(folding.messages, folding.unreadable, records, time.monotonic() - began)


@contextmanager
def _no_search_for_garbage() -> Iterator[None]:
    """To look through millions of kept things again and again takes longer than the work."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


async def _keep_locked(redis: Redis) -> None:
    while True:
        await asyncio.sleep(LOCKED_MS / 3000)
        await redis.pexpire(LOCK, LOCKED_MS)


async def _clear(redis: Redis) -> None:
    """Delete whatever is left of ours."""
    kept = {key.encode() for key in (RECORD, LOCK, *map(epoch_key, every_shard()))}
    writer = Writer(redis)
    found: list[Command] = []
    async for key in redis.scan_iter(match="{*", count=WRITTEN_AT_ONCE):
        if key not in kept:
            found.append(("UNLINK", key.decode()))
        if len(found) >= WRITTEN_AT_ONCE:
            await writer.write(found)
            found.clear()
    await writer.write(found)


async def _read(log: Log, folding: Folding, told: Rebuilding) -> None:
    ends = await log.unread()
    told.step, told.done, told.total = "reading kafka", 0, 0
    for end in ends.values():
        told.total += end
    while ends:
        for records in await log.read(ends):
            folding.take(records)
            told.done += len(records)


async def _write(redis: Redis, commands: Iterator[Command], told: Rebuilding) -> int:
    """Write in the order of each shard; one part is on its way while the next is made."""
    told.step, told.done, told.total = "writing redis", 0, 0
    writer = Writer(redis)
    on_its_way = asyncio.create_task(writer.write(()))
    while part := list(islice(commands, WRITTEN_AT_ONCE)):
        await on_its_way
        on_its_way = asyncio.create_task(writer.write(part))
        await asyncio.sleep(0)
        told.done += len(part)
    await on_its_way
    return told.done


class Writer:
    """Runs commands of many shards, those of one shard in their order, in few round trips."""

    def __init__(self, redis: Redis) -> None:
        text = files("campaignctl").joinpath("write.lua").read_text(encoding="utf-8")
        self._script = redis.register_script(text)

    async def write(self, commands: Iterable[Command]) -> None:
        """Run them."""
        words: defaultdict[str, list[Any]] = defaultdict(list)
        for command in commands:
            of_shard = words[tag_of(str(command[1]))]
            of_shard.append(len(command))
            of_shard += command
        await asyncio.gather(
            *(self._script(keys=[epoch_key(shard)], args=args) for shard, args in words.items())
        )
