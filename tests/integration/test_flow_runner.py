"""The flow-runner as a process, on real Kafka and Redis: what it commands, and what it survives."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from campaignctl.infrastructure.ports import free_port
from chassis.provisioning import provision
from chassis.settings import ServiceSettings
from chassis.shards import shard_of
from contracts.actions import Action
from contracts.base import Message
from contracts.call import (
    CallAnswered,
    CallBridged,
    CallBridgeFailed,
    CallDigitPressed,
    CallHungUp,
    CallPlaybackFinished,
    CallUnbridged,
)
from contracts.envelope import wrap
from contracts.flow import FlowStart
from contracts.resources import Address, Agent, AgentChanged, AgentStatus, Queue, QueueChanged
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    FLOW_COMMANDS,
    FLOW_EVENTS,
    QUEUE_EVENTS,
    RESOURCE_EVENTS,
    Topic,
)
from pydantic import TypeAdapter
from redis.asyncio import Redis

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CALLS: TypeAdapter[Any] = CALL_COMMANDS.adapter()


def act(type_: str, id_: str = "", **option: Any) -> Action:
    return Action(type=type_, id=id_, option=option)


async def until(is_so: Callable[[], bool], within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not is_so():
            await asyncio.sleep(0.01)


class Call:
    """A call as the dialer would tell of it."""

    def __init__(self, world: "World") -> None:
        self.id, self._world, self._sequence = str(uuid4()), world, 0

    async def tell(self, fact: type[Message], topic: Topic = CALL_EVENTS, **fields: Any) -> None:
        self._sequence += 16
        about: dict[str, Any] = {"attempt_id": self.id, "campaign_id": "k"}
        if topic is CALL_EVENTS:
            about["at"] = datetime.now(UTC)
        await self._world.send(topic, self.id, fact(**about, **fields), self._sequence)

    async def answered(self, *actions: Action) -> None:
        await self.tell(CallAnswered, actions=actions)

    async def played(self) -> None:
        playback_id = self.commands("call.play")[-1].playback_id
        await self.tell(CallPlaybackFinished, playback_id=playback_id)

    def commands(self, type_: str) -> list[Any]:
        return [
            one.body for one in self._world.heard if one.subject == self.id and one.type == type_
        ]

    async def gets(self, type_: str, count: int = 1, within_s: float = 20.0) -> Any:
        await until(lambda: len(self.commands(type_)) >= count, within_s)
        return self.commands(type_)[-1]


class World:
    """The neighbours of the flow-runner, and its replicas."""

    def __init__(self, bootstrap: str, redis_url: str, folder: Path) -> None:
        self.bootstrap, self.redis_url, self._folder = bootstrap, redis_url, folder
        self.customer_id = str(uuid4())
        self.heard: list[Any] = []
        self.redis = Redis.from_url(redis_url)
        self._producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
        self.runners: dict[str, tuple[asyncio.subprocess.Process, int]] = {}

    async def open(self, at_end: AsyncExitStack) -> None:
        await provision(ServiceSettings(kafka_bootstrap=self.bootstrap, redis_url=self.redis_url))
        at_end.push_async_callback(self.redis.aclose)
        await self._producer.start()
        at_end.push_async_callback(self._producer.stop)
        topics = (CALL_COMMANDS, FLOW_EVENTS, QUEUE_EVENTS)
        consumer = AIOKafkaConsumer(
            *(topic.name for topic in topics),
            bootstrap_servers=self.bootstrap,
            auto_offset_reset="latest",
        )
        await consumer.start()
        at_end.push_async_callback(consumer.stop)
        for partition in consumer.assignment():
            await consumer.position(partition)
        listening = asyncio.create_task(
            self._listen(consumer, {t.name: t.adapter() for t in topics})
        )
        at_end.callback(listening.cancel)
        at_end.push_async_callback(self.end_all)

    async def _listen(self, consumer: AIOKafkaConsumer, adapters: dict[str, Any]) -> None:
        async for record in consumer:
            self.heard.append(adapters[record.topic].validate_json(record.value))

    async def send(self, topic: Topic, key: str, body: Message, sequence: int) -> None:
        envelope: Any = wrap(
            body, source="test", subject=key, sequence=sequence, at=NOON,
            customer_id=self.customer_id,
        )  # fmt: skip
        headers = [("ce_type", body.type.encode())]
        await self._producer.send_and_wait(
            topic.name, envelope.encode(), key=key.encode(), headers=headers
        )

    async def runner(self, worker_id: str = "1") -> None:
        """Start a replica and wait until it is ready."""
        port = free_port()
        told = {
            "KAFKA_BOOTSTRAP": self.bootstrap, "REDIS_URL": self.redis_url,
            "HTTP_PORT": str(port), "PUBLIC_URL": f"http://127.0.0.1:{port}",
            "CACHE_FOLDER": str(self._folder), "WORKER_ID": worker_id, "LOG_LEVEL": "warning",
            "AGENT_REST_S": "1",
        }  # fmt: skip
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "flow_runner",
            env=os.environ | {f"FLOW_RUNNER_{name}": value for name, value in told.items()},
        )  # fmt: skip
        self.runners[worker_id] = (process, port)
        async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False) as client:
            while True:
                assert process.returncode is None, "the flow-runner has ended by itself"
                try:
                    if (await client.get(f"http://127.0.0.1:{port}/readyz")).is_success:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.05)

    async def end(self, worker_id: str = "1", how: signal.Signals = signal.SIGTERM) -> int:
        process, _ = self.runners.pop(worker_id)
        process.send_signal(how)
        try:
            async with asyncio.timeout(30):
                return await process.wait()
        except TimeoutError:
            if os.environ.get("DUMP_TASKS"):
                process.send_signal(signal.SIGUSR1)
                await asyncio.sleep(1)
            process.kill()
            await process.wait()
            raise

    async def end_all(self) -> None:
        for worker_id in list(self.runners):
            await self.end(worker_id)

    async def queue(self, **fields: Any) -> str:
        id_ = str(uuid4())
        queue = Queue(id=id_, customer_id=self.customer_id, created_at=NOON, **fields)
        await self.send(RESOURCE_EVENTS, id_, QueueChanged(queue=queue), 16)
        return id_

    async def agent(self, id_: str = "", sequence: int = 16, **fields: Any) -> str:
        id_ = id_ or str(uuid4())
        agent = Agent(
            id=id_, customer_id=self.customer_id, created_at=NOON, username=id_, password_hash="",
            permission=16, addresses=(Address(type="tel", target="+15550100001"),), **fields,
        )  # fmt: skip
        await self.send(RESOURCE_EVENTS, id_, AgentChanged(agent=agent), sequence)
        return id_

    def load(self, queue_id: str) -> Any:
        loads = [one.body for one in self.heard if one.type == "queue.load_changed"]
        return next((one for one in reversed(loads) if one.queue_id == queue_id), None)


@pytest.fixture
async def world(kafka_bootstrap: str, redis_url: str, tmp_path: Path) -> AsyncIterator[World]:
    async with AsyncExitStack() as at_end:
        world = World(kafka_bootstrap, redis_url, tmp_path)
        await world.open(at_end)
        yield world


async def test_one_call_from_the_answer_to_the_end(world: World) -> None:
    await world.runner()
    call = Call(world)
    await call.answered(act("talk", text=""))
    play = await call.gets("call.play")
    async with httpx.AsyncClient(trust_env=False) as client:
        assert (await client.get(play.media_url)).content[:4] == b"RIFF"
    await call.played()
    await call.gets("call.hang_up")
    await call.tell(CallHungUp, hangup_cause=16)
    told = [one.type for one in world.heard if one.subject == call.id]
    assert told.count("flow.finished") == 1
    key = f"{{{shard_of('flow', call.id)}}}:run:{call.id}"
    assert 3500 < await world.redis.ttl(key) <= 3600
    assert await world.end() == 0


async def test_a_menu_is_answered_by_a_key(world: World) -> None:
    await world.runner()
    call = Call(world)
    await call.answered(
        act("talk", text="", digits_handle="next"),
        act("digits_receive", duration=20_000, length=1),
        act("branch", target_ids={"2": "busy"}),
        act("hangup"),
        act("hangup", "busy", reason="busy"),
    )
    await call.gets("call.play")
    await call.tell(CallDigitPressed, digit="2")
    assert (await call.gets("call.hang_up")).hangup_cause == 17


async def test_a_flow_without_a_call_finishes_and_commands_nothing(world: World) -> None:
    await world.runner()
    call = Call(world)
    await call.tell(FlowStart, FLOW_COMMANDS, actions=(act("talk", text="x"), act("stop")))
    assert (await call.gets("flow.finished")).is_success
    assert call.commands("call.play") == call.commands("call.hang_up") == []


async def test_timers_survive_a_restart(world: World) -> None:
    await world.runner()
    call = Call(world)
    await call.answered(act("sleep", duration=1500))
    await call.gets("flow.action_started")
    await world.end()
    await world.runner()
    await call.gets("call.hang_up")


async def test_a_killed_flow_runner_goes_on_where_it_was(world: World) -> None:
    """Calls are answered before, while and after it is away; each is played and hung up once."""
    await world.runner()
    calls = [Call(world) for _ in range(60)]
    for call in calls[:30]:
        await call.answered(act("talk", text=""))
    await calls[0].gets("call.play")
    await world.end(how=signal.SIGKILL)
    for call in calls[30:]:
        await call.answered(act("talk", text=""))
    await world.runner()
    for call in calls:
        await call.gets("call.play", within_s=40)
        await call.played()
    for call in calls:
        await call.gets("call.hang_up", within_s=40)
    for call in calls:
        plays = {
            one.id for one in world.heard if one.subject == call.id and one.type == "call.play"
        }
        ends = {
            one.id for one in world.heard if one.subject == call.id and one.type == "call.hang_up"
        }
        assert (len(plays), len(ends)) == (1, 1)


async def test_two_replicas_fire_each_timer_once(world: World) -> None:
    await world.runner("1")
    await world.runner("2")
    calls = [Call(world) for _ in range(30)]
    for call in calls:
        await call.answered(*(act("sleep", duration=ms) for ms in (300, 300, 300)))
    for call in calls:
        await call.gets("call.hang_up")
    for call in calls:
        # A relay that takes over may tell again what was told: who hears it drops it by its id.
        told = list({one.id: one for one in world.heard if one.subject == call.id}.values())
        finished = [one for one in told if one.type == "flow.action_finished"]
        assert len(finished) == 3
        assert len([one for one in told if one.type == "call.hang_up"]) == 1
        for kind in ("call.", "flow."):  # order is kept within a topic
            sequences = [one.sequence for one in told if one.type.startswith(kind)]
            assert sequences == sorted(set(sequences))


async def test_two_callers_share_one_agent_in_the_order_they_came(world: World) -> None:
    await world.runner()
    queue_id = await world.queue()
    first, second = Call(world), Call(world)
    await first.answered(act("queue_join", queue_id=queue_id))
    assert (await first.gets("call.play")).media_url, "whoever waits hears so"
    await second.answered(act("queue_join", queue_id=queue_id))
    await until(lambda: world.load(queue_id).waiting == (first.id, second.id))

    agent_id = await world.agent(status=AgentStatus.AVAILABLE)
    bridge = await first.gets("call.bridge")
    assert bridge.agent_id == agent_id
    assert world.load(queue_id).engaged in ({}, {agent_id: first.id})
    assert not second.commands("call.bridge")
    leg = {"agent_id": agent_id, "leg_id": bridge.leg_id}
    await first.tell(CallBridged, **leg)
    await first.tell(CallUnbridged, **leg)
    await first.gets("call.hang_up")

    leg = {"agent_id": agent_id, "leg_id": (await second.gets("call.bridge")).leg_id}
    await second.tell(CallBridgeFailed, **leg)
    await second.gets("call.bridge", 2)
    await second.tell(CallHungUp, hangup_cause=16)
    await until(lambda: not world.load(queue_id).engaged and not world.load(queue_id).waiting)


async def test_a_lock_outlives_no_crash(world: World) -> None:
    """Killed while the agent is locked; the caller hangs up meanwhile: the agent is free again."""
    await world.runner()
    queue_id = await world.queue()
    await world.agent(status=AgentStatus.AVAILABLE)
    first, second = Call(world), Call(world)
    await first.answered(act("queue_join", queue_id=queue_id))
    await first.gets("call.bridge")
    await world.end(how=signal.SIGKILL)
    await first.tell(CallHungUp, hangup_cause=16)
    await second.answered(act("queue_join", queue_id=queue_id))
    await world.runner()
    await second.gets("call.bridge", within_s=40)
