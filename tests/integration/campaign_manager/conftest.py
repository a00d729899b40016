"""The campaign-manager on real Kafka and Redis, and clients of two customers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from campaign_manager.app import build
from campaign_manager.settings import Settings
from campaign_manager.usecases.agents import Agents
from campaign_manager.usecases.credentials import Credentials
from campaign_manager.usecases.definitions import Definitions
from campaignctl.infrastructure.ports import free_port
from chassis.lifecycle import serve
from chassis.outbox import Outbox
from contracts.base import Message
from contracts.envelope import Envelope, wrap
from contracts.topics import CAMPAIGN_EVENTS, NUMBER_EVENTS, RESOURCE_EVENTS, TARGET_EVENTS, Topic
from redis.asyncio import Redis

PASSWORD = "a password for tests"
WRITTEN = (RESOURCE_EVENTS, CAMPAIGN_EVENTS, TARGET_EVENTS, NUMBER_EVENTS)

Json = Any


async def until(holds: Callable[[], Awaitable[bool]], within_s: float = 20) -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not await holds():
            await asyncio.sleep(0.02)


class Client:
    """A client of one customer; answers come as JSON."""

    def __init__(self, base_url: str, username: str, params: dict[str, str]) -> None:
        self.username = username
        self.params = params
        self.http = httpx.AsyncClient(base_url=base_url, timeout=60, trust_env=False)

    async def ask(self, method: str, path: str, body: Json = None, **query: Any) -> httpx.Response:
        return await self.http.request(
            method, f"/v1.0{path}", json=body, params={**self.params, **query}
        )

    async def _ok(self, method: str, path: str, body: Json = None, **query: Any) -> Json:
        answer = await self.ask(method, path, body, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def get(self, path: str, **query: Any) -> Json:
        return await self._ok("GET", path, **query)

    async def post(self, path: str, body: Json) -> Json:
        return await self._ok("POST", path, body)

    async def put(self, path: str, body: Json) -> Json:
        return await self._ok("PUT", path, body)

    async def delete(self, path: str) -> Json:
        return await self._ok("DELETE", path)

    async def every(self, path: str, page_size: int = 100) -> list[Json]:
        """Return all rows of a list, page by page, as a client does that knows no better."""
        rows: list[Json] = []
        token = ""
        while True:
            page = await self.get(path, page_token=token, page_size=page_size)
            if not page["result"] or not page["next_page_token"]:
                return rows
            rows += page["result"]
            token = page["next_page_token"]

    async def outplan(self, **fields: Any) -> Json:
        return await self.post("/outplans", {"name": "plan", "max_try_count_0": 2, **fields})

    async def outdial(self, **fields: Any) -> Json:
        return await self.post("/outdials", {"name": "list", **fields})

    async def campaign(self, **fields: Any) -> Json:
        """A campaign that could start."""
        whole = {
            "name": "campaign",
            "type": "call",
            "end_handle": "stop",
            "actions": [{"type": "talk", "option": {"text": "Hello."}}],
            **fields,
        }
        if "outdial_id" not in whole:
            whole["outdial_id"] = (await self.outdial())["id"]
        if "outplan_id" not in whole:
            whole["outplan_id"] = (await self.outplan())["id"]
        return await self.post("/campaigns", whole)


@dataclass
class Engine:
    """The running campaign-manager and what is around it."""

    base_url: str
    redis: Redis
    producer: AIOKafkaProducer
    reader: AIOKafkaConsumer
    settings: Settings

    async def until(self, holds: Callable[[], Awaitable[bool]], within_s: float = 20) -> None:
        """Wait for a condition."""
        await until(holds, within_s)

    async def tell(
        self, topic: Topic, body: Message, *, subject: str, customer_id: str, sequence: int = 16
    ) -> None:
        """Say what another service would say."""
        envelope: Envelope[Any] = wrap(
            body, source="test", subject=subject, sequence=sequence,
            at=datetime.now(UTC), customer_id=customer_id,
        )  # fmt: skip
        await self.producer.send_and_wait(
            topic.name,
            envelope.encode(),
            key=subject.encode(),
            headers=[("ce_type", body.type.encode())],
        )

    async def heard(self, topic: Topic, subject: str) -> list[Envelope[Any]]:
        """Return what has been told of a subject so far."""
        adapter = topic.adapter()
        found: list[Envelope[Any]] = []
        partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
        for partition, end in (await self.reader.end_offsets(partitions)).items():
            self.reader.seek(partition, 0)
            while await self.reader.position(partition) < end:
                read = await self.reader.getmany(partition, timeout_ms=500)
                found += [
                    adapter.validate_json(record.value)
                    for record in read.get(partition, [])
                    if record.key == subject.encode()
                ]
        return found

    async def traces(self) -> tuple[int, dict[bytes, Any]]:
        """Return how much has been published, and all records that are stored."""
        ends = await self.reader.end_offsets(self.reader.assignment())
        keys = [
            key
            async for key in self.redis.scan_iter(match="*", count=5000)
            if key.startswith((b"{definitions}", b"{dialing-", b"{calls-", b"{number-"))
            and not key.endswith((b":relay", b":published", b":outbox"))
        ]
        async with self.redis.pipeline(transaction=False) as asked:
            for key in keys:
                asked.dump(key)
            stored = dict(zip(keys, await asked.execute(), strict=True))
        return sum(ends.values()), stored


@asynccontextmanager
async def running(settings: Settings) -> AsyncIterator[str]:
    """Run the service in this process and yield its address once it is ready."""
    stop = asyncio.Event()
    task = asyncio.create_task(serve(build(settings), stop))
    base_url = f"http://127.0.0.1:{settings.http_port}"
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:

        async def is_ready() -> bool:
            if task.done():
                await task
            try:
                return (await http.get("/readyz")).status_code == 200
            except httpx.TransportError:
                return False

        await until(is_ready, within_s=60)
    try:
        yield base_url
    finally:
        stop.set()
        await task


@pytest.fixture(scope="module")
def settings(kafka_bootstrap: str, redis_url: str) -> Settings:
    return Settings(
        kafka_bootstrap=kafka_bootstrap,
        redis_url=redis_url,
        http_port=free_port(),
        jwt_secret="a secret for tests that is long enough",
        bootstrap_username=f"admin-{uuid4().hex[:8]}@example.com",
        bootstrap_password=PASSWORD,
        log_level="warning",
    )


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engine(settings: Settings) -> AsyncIterator[Engine]:
    redis = Redis.from_url(settings.redis_url)
    async with running(settings) as base_url:
        producer = AIOKafkaProducer(bootstrap_servers=settings.kafka_bootstrap)
        reader = AIOKafkaConsumer(bootstrap_servers=settings.kafka_bootstrap)
        await producer.start()
        await reader.start()
        reader.assign(
            [TopicPartition(t.name, number) for t in WRITTEN for number in range(t.partitions)]
        )
        try:
            yield Engine(base_url, redis, producer, reader, settings)
        finally:
            await reader.stop()
            await producer.stop()
            await redis.aclose()


async def logged_in(base_url: str, username: str, password: str = PASSWORD) -> Client:
    async with httpx.AsyncClient(base_url=base_url, trust_env=False) as http:
        answer = await http.post("/auth/login", json={"username": username, "password": password})
    assert answer.status_code == 200, answer.text
    return Client(base_url, username, {"token": answer.json()["token"]})


async def another_customer(engine: Engine) -> Client:
    """A client of a customer that did not exist before."""
    outbox = Outbox(engine.redis)
    definitions = Definitions(outbox)
    username = f"other-{uuid4().hex[:8]}@example.com"
    credentials = Credentials(definitions, Agents(definitions, outbox), outbox, "unused" * 8)
    await credentials.bootstrap(username, PASSWORD)
    return await logged_in(engine.base_url, username)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def api(engine: Engine) -> AsyncIterator[Client]:
    client = await logged_in(engine.base_url, str(engine.settings.bootstrap_username))
    yield client
    await client.http.aclose()


@pytest_asyncio.fixture(loop_scope="module")
async def stranger(engine: Engine) -> AsyncIterator[Client]:
    """Another customer's client, with nothing of its own yet."""
    client = await another_customer(engine)
    yield client
    await client.http.aclose()
