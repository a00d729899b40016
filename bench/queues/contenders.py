"""Who takes part: how each queue is filled, how its worker is started, what its records say."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from uuid import uuid4

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from campaignctl.infrastructure import Infrastructure
from chassis import epoch
from chassis.outbox import OutMessage
from chassis.provisioning import provision
from chassis.settings import ServiceSettings
from chassis.store import connect
from contracts.campaign import (
    Campaign,
    CampaignLimits,
    CampaignStatus,
    CampaignStatusChanged,
    StatusCause,
)
from contracts.envelope import wrap
from contracts.resources import Outplan
from contracts.topics import CALL_EVENTS, CAMPAIGN_EVENTS
from redis import Redis
from target_queue import TargetQueue
from target_queue.keys import claims_key, due_key, live_key, outdial_shard

from bench.claims import Untold, a_campaign, fill
from bench.queues.journal import Mark
from bench.queues.ours import item_of

TOOLS = Path(__file__).parent / "tools"
UNPACED = 100_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one run of one queue happens: a database of Redis and a journal of its own."""

    infrastructure: Infrastructure
    redis_url: str
    journal: Path
    concurrency: int


class Run(Protocol):
    """One queue in one place."""

    command: list[str]
    env: Mapping[str, str]

    def enqueue(self, count: int) -> None:
        """Put items 0, 1, ... into the queue."""

    def marks(self) -> dict[int, Mark]:
        """Return what the record of each item says."""

    def held(self) -> int:
        """Return how many items the queue still holds, waiting or unacknowledged."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A queue: its name, its settings in words, and its worker's command after the Python's folder.

    Attributes:
        module: What holds its items, in bench/queues/tools; "" for ours.
        command: Program and arguments; {concurrency} is filled in.
        home: The environment it lives in: arq wants an older redis-py than the others.
    """

    name: str
    settings: str
    module: str = ""
    command: str = ""
    home: str = "others"

    def at(self, place: Place, tools: Path) -> Run:
        """Return the queue in a place; `tools` holds the environments of the queues."""
        return Foreign(self, place, tools) if self.module else Ours(place)


CONTENDERS = (
    Contender("ours", "as it is delivered"),
    Contender(
        "arq",
        "max_jobs, poll_delay 0.05 s, job_timeout 15 s (an item is free again 10 s later), keep_result 0",
        "arq_items",
        "arq arq_items.WorkerSettings",
        home="arq",
    ),
    Contender(
        "celery",
        "gevent pool (its best for I/O: one process, many items), acks_late, reject_on_worker_lost, "
        "visibility_timeout 30 s, prefetch 1, results ignored, max_connections twice the items at a time",
        "celery_items",
        "celery -A celery_items worker -P gevent -c {concurrency} "
        "--without-gossip --without-mingle -l WARNING",
    ),
    Contender(
        "dramatiq",
        "one process, as many threads as items at a time, all else by default: what a dead worker "
        "held is given out again after 60 s, when a command in a thousand happens to look for it",
        "dramatiq_items",
        "dramatiq dramatiq_items -p 1 -t {concurrency}",
    ),
    Contender(
        "taskiq",
        "RedisStreamBroker, idle_timeout 30 s, lock timeout 10 s, ack_type when_saved; what "
        "a dead worker held is looked for only when a further item arrives, and here none does",
        "taskiq_items",
        "taskiq worker taskiq_items:broker --workers 1 --max-async-tasks {concurrency} "
        "--ack-type when_saved --log-level WARNING",
    ),
)


def _held(redis: Any) -> int:
    """Return how many items the queues of others still hold in a database of Redis."""
    counts = [
        redis.zcard("arq:queue"),
        redis.llen("celery"),
        redis.hlen("unacked"),
        redis.hlen("dramatiq:default.msgs"),
    ]
    if redis.exists("taskiq"):
        group = redis.xinfo_groups("taskiq")[0]
        counts += [group["pending"], group["lag"] or 0]
    return sum(counts)


class Foreign:
    """A queue of others, in the environment of the benchmark."""

    def __init__(self, contender: Contender, place: Place, tools: Path) -> None:
        program, *words = contender.command.split()
        programs = tools / contender.home / "bin"
        filled = [word.format(concurrency=place.concurrency) for word in words]
        self.command = [str(programs / "python"), str(programs / program), *filled]
        self.env: Mapping[str, str] = {
            "BENCH_REDIS_URL": place.redis_url,
            "BENCH_CONCURRENCY": str(place.concurrency),
            "BENCH_JOURNAL": str(place.journal),
            "PYTHONPATH": str(TOOLS),
        }
        self._python, self._module = str(programs / "python"), contender.module
        self._place = place

    def enqueue(self, count: int) -> None:
        """Put items into the queue, by a program of its own."""
        command = [self._python, str(TOOLS / "enqueue.py"), self._module, str(count)]
        supervisor = self._place.infrastructure.supervisor
        supervisor.run(f"enqueue-{self._module}", command, env=self.env, within_s=120)

    def marks(self) -> dict[int, Mark]:
        """Return what the items have recorded in Redis."""
        with Redis.from_url(self._place.redis_url, decode_responses=True) as redis:
            keys: list[Any] = list(redis.scan_iter("item:*", count=1000))
            stored: Any = redis.mget(keys) if keys else []
        return {int(key[5:]): Mark(mark) for key, mark in zip(keys, stored, strict=True)}

    def held(self) -> int:
        """Return how many items the queue still holds."""
        with Redis.from_url(self._place.redis_url, decode_responses=True) as redis:
            return _held(redis)


class Ours:
    """Our dialing core; the record of an item is what Kafka has of its attempt."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self.command = [sys.executable, "-m", "bench.queues.ours"]
        self.env: Mapping[str, str] = {
            "BENCH_JOURNAL": str(place.journal),
            "DIALER_KAFKA_BOOTSTRAP": place.infrastructure.kafka_bootstrap,
            "DIALER_REDIS_URL": place.redis_url,
            "DIALER_HTTP_PORT": "0",
            "DIALER_LOG_LEVEL": "warning",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).parents[2]), *sys.path[1:]]),
        }
        limits = CampaignLimits(max_concurrent_calls=place.concurrency, calls_per_second=UNPACED)
        campaign = a_campaign(str(uuid4()))
        once = Outplan(
            id=str(uuid4()),
            customer_id=campaign.customer_id,
            created_at=campaign.created_at,
            max_attempts=(1, 0, 0, 0, 0),
        )
        self._campaign = campaign.model_copy(update={"limits": limits, "outplan": once})

    def enqueue(self, count: int) -> None:
        """Put targets into an outdial and start its campaign."""
        asyncio.run(self._enqueue(count))

    async def _enqueue(self, count: int) -> None:
        bootstrap = self._place.infrastructure.kafka_bootstrap
        outbox = Untold(connect(self._place.redis_url))
        await epoch.begin(outbox.redis)
        await fill(TargetQueue(outbox), self._campaign.outdial_id or "", count)
        await outbox.redis.aclose()
        await provision(ServiceSettings(kafka_bootstrap=bootstrap))
        producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        await producer.start()
        try:
            said = _start_of(self._campaign)
            await producer.send_and_wait(
                said.topic,
                key=said.key.encode(),
                value=said.value,
                headers=[("ce_type", said.type.encode())],
            )
        finally:
            await producer.stop()

    def marks(self) -> dict[int, Mark]:
        """Return what Kafka has of each item's attempt."""
        return asyncio.run(self._marks())

    def held(self) -> int:
        """Return how many targets wait, are claimed or have an open attempt."""
        outdial = self._campaign.outdial_id or ""
        shard = outdial_shard(outdial)
        keys = (
            due_key(shard, outdial),
            claims_key(shard, outdial),
            live_key(shard, self._campaign.campaign_id),
        )
        with Redis.from_url(self._place.redis_url) as redis:
            counts: list[Any] = [redis.zcard(key) for key in keys]
        return sum(counts)

    async def _marks(self) -> dict[int, Mark]:
        items: dict[str, int] = {}
        marks: dict[int, Mark] = {}
        settled: dict[str, Mark] = {}
        bootstrap = self._place.infrastructure.kafka_bootstrap
        for body in await _facts(bootstrap):
            match body["type"]:
                case "call.dialing" if body["attempt"]["campaign_id"] == self._campaign.campaign_id:
                    attempt = body["attempt"]
                    items[attempt["attempt_id"]] = item_of(attempt["destination"]["address"])
                case "call.settled":
                    is_open = body["outcome"] == "ambiguous"
                    settled[body["attempt_id"]] = Mark.AMBIGUOUS if is_open else Mark.DONE
                case _:
                    pass
        for attempt_id, item in items.items():
            marks[item] = settled.get(attempt_id, Mark.RUNNING)
        return marks


def _start_of(campaign: Campaign) -> OutMessage:
    body = CampaignStatusChanged(
        campaign=campaign, before=CampaignStatus.STOP, cause=StatusCause.REQUESTED
    )
    envelope: Any = wrap(
        body,
        source="campaign-manager",
        subject=campaign.campaign_id,
        sequence=1,
        at=campaign.created_at,
        customer_id=campaign.customer_id,
    )
    return OutMessage.of(CAMPAIGN_EVENTS, envelope)


async def _facts(bootstrap: str) -> list[dict[str, Any]]:
    """Return all call events that Kafka has."""
    consumer = AIOKafkaConsumer(
        CALL_EVENTS.name, bootstrap_servers=bootstrap, auto_offset_reset="earliest"
    )
    await consumer.start()
    facts = []
    try:
        ends = await consumer.end_offsets(list(consumer.assignment()))
        while any([await consumer.position(place) < end for place, end in ends.items()]):
            for records in (await consumer.getmany(timeout_ms=500)).values():
                facts += [json.loads(record.value)["data"] for record in records]
    finally:
        await consumer.stop()
    return facts
