"""Runs and queues over a store in memory: what is committed, and what a crash leaves behind."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis.errors import Transient
from chassis.outbox import Change, OutMessage, Position, Record, StaleWrite
from contracts.actions import Action
from contracts.resources import Address, Agent, AgentStatus, Queue
from flow_runner.domain.events import (
    Bridged,
    BridgeFailed,
    HungUp,
    PlaybackFinished,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.queueing import Lines
from flow_runner.domain.runs import ForAgent, Run
from flow_runner.ports import CannotSpeak, Spoken
from flow_runner.usecases.flows import Flows, due_key, run_key
from flow_runner.usecases.lines import QueueLines, lines_key

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


class Store:
    """An outbox in memory: versions, messages, and the commands of sorted sets and expiry."""

    def __init__(self) -> None:
        self.records: dict[str, Record] = {}
        self.messages: list[OutMessage] = []
        self.due: dict[str, dict[str, float]] = {}
        self.expiring: set[str] = set()
        self.customers: set[bytes] = set()
        self.lost_answers = 0
        self.redis = self

    async def read(self, key: str) -> Record | None:
        await asyncio.sleep(0)
        return self.records.get(key)

    async def commit(self, change: Change) -> Position:
        await asyncio.sleep(0)
        for write in change.writes:
            stored = self.records.get(write.key)
            if (stored.version if stored else 0) != write.expected:
                raise StaleWrite(write.key)
        for write in change.writes:
            assert write.body is not None
            self.records[write.key] = Record(write.expected + 1, write.body)
        for name, key, *words in change.also:
            self._command(str(name), str(key), words)
        self.messages += change.messages
        if self.lost_answers:
            self.lost_answers -= 1
            raise Transient("the answer was lost")
        return Position(change.shard, (1, 0))

    def _command(self, name: str, key: str, words: list[Any]) -> None:
        match name:
            case "ZADD":
                self.due.setdefault(key, {})[str(words[-1])] = float(words[-2])
            case "ZREM":
                self.due.get(key, {}).pop(str(words[0]), None)
            case "PEXPIRE":
                self.expiring.add(key)
            case "SADD":
                self.customers.add(str(words[0]).encode())
            case _:
                raise AssertionError(name)

    async def zrem(self, key: str, member: str) -> None:
        self.due.get(key, {}).pop(member, None)

    def timers(self) -> set[str]:
        return {member.partition("|")[2] for row in self.due.values() for member in row}

    def types(self, attempt_id: str = "") -> list[str]:
        return [one.type for one in self.messages if attempt_id in {"", one.key}]


class Voice:
    """Speech that says nothing at once, or cannot."""

    def __init__(self) -> None:
        self.is_there = True

    async def speak(self, text: str, language: str, voice: str) -> Spoken:
        if not self.is_there:
            raise CannotSpeak("no engine")
        return Spoken(f"http://m/{text}", 0)


class House:
    """The use cases of one flow-runner over a store that others may share."""

    def __init__(self, store: Store) -> None:
        self.store, self.voice, self.at = store, Voice(), NOON
        outbox: Any = store
        self.flows = Flows(
            outbox=outbox, speech=self.voice, now=lambda: self.at, on_timer=lambda: None
        )
        self.lines = QueueLines(
            outbox=outbox,
            flows=self.flows,
            now=lambda: self.at,
            agent_rest=timedelta(seconds=5),
        )
        self.flows.queue_with(self.lines.carry_out, self.lines.find_queue)
        self.lines.roster.queues["q"] = Queue(id="q", customer_id="c", created_at=NOON)
        self.lines.roster_known.set()

    async def answered(self, attempt_id: str, *actions: Action) -> None:
        run = Run(attempt_id=attempt_id, campaign_id="k", customer_id="c", actions=actions)
        await self.flows.begin(run, 16, "cause")

    async def hears(self, attempt_id: str, event: Any, sequence: int) -> None:
        await self.flows.on_event(attempt_id, event, sequence, "cause")

    async def agent(self, status: AgentStatus = AgentStatus.AVAILABLE) -> None:
        self.lines.roster.agents["g"] = Agent(
            id="g", customer_id="c", created_at=NOON, username="g", password_hash="",
            permission=16, status=status, addresses=(Address(type="tel", target="+15550100001"),),
        )  # fmt: skip
        await self.lines.on_roster("c")

    def run(self, attempt_id: str) -> Run:
        return Run.model_validate_json(self.store.records[run_key(attempt_id)].body)

    def line(self) -> Any:
        return Lines.model_validate_json(self.store.records[lines_key("c")].body).lines["q"]


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def house(store: Store) -> House:
    return House(store)


TALK = Action(type="talk", option={"text": "hello"})
JOIN = Action(type="queue_join", option={"queue_id": "q"})


async def test_one_call_talks_and_is_hung_up_and_its_run_expires(
    house: House, store: Store
) -> None:
    await house.answered("a", TALK)
    await house.hears("a", PlaybackFinished("a-1"), 32)
    assert store.types() == [
        "flow.started", "flow.action_started", "flow.heard", "call.play",
        "flow.action_finished", "flow.finished", "call.hang_up",
    ]  # fmt: skip
    assert store.expiring == {run_key("a")}
    assert store.timers() == set()


async def test_what_was_seen_is_not_handled_again(house: House, store: Store) -> None:
    for _ in range(2):
        await house.answered("a", TALK)
        await house.hears("a", PlaybackFinished("a-1"), 32)
    await House(store).hears("a", PlaybackFinished("a-1"), 32)
    await House(store).answered("a", TALK)
    assert store.types().count("call.play") == 1
    assert store.types().count("call.hang_up") == 1


async def test_a_commit_whose_answer_is_lost_counts_once(house: House, store: Store) -> None:
    await house.answered("a", TALK)
    store.lost_answers = 1
    with pytest.raises(Transient):
        await house.hears("a", PlaybackFinished("a-1"), 32)
    await house.hears("a", PlaybackFinished("a-1"), 32)
    assert store.types().count("call.hang_up") == 1


async def test_two_replicas_may_fire_one_timer(house: House, store: Store) -> None:
    sleeps = [Action(type="sleep", option={"duration": ms}) for ms in (10, 60_000)]
    await house.answered("a", *sleeps)
    other = House(store)
    await asyncio.gather(
        *(one.flows.on_event("a", TimerFired("sleep.1"), -1, "t") for one in (house, other))
    )
    assert house.run("a").position == 1
    assert store.timers() == {"sleep.2"}


async def test_the_timer_of_a_run_that_is_over_is_dropped(house: House, store: Store) -> None:
    await house.answered("a")
    store.due[due_key(run_key("a").partition("}")[0][1:])] = {"a|sleep.1": 0.0}
    await house.flows.on_event("a", TimerFired("sleep.1"), -1, "t")
    assert store.timers() == set()


async def test_a_stale_copy_of_a_run_is_read_again(house: House, store: Store) -> None:
    await house.answered("a", TALK, TALK)
    other = House(store)
    await other.hears("a", PlaybackFinished("a-1"), 32)
    await house.hears("a", PlaybackFinished("a-2"), 48)
    assert house.run("a").is_over


async def test_one_agent_serves_two_callers_in_the_order_they_came(
    house: House, store: Store
) -> None:
    await house.agent()
    await house.answered("a", JOIN)
    await house.answered("b", JOIN)
    assert "call.bridge" in store.types("a")
    assert "call.bridge" not in store.types("b")
    await house.hears("a", Bridged("a-agent-1"), 32)
    await house.hears("a", Unbridged("a-agent-1"), 48)
    assert "call.bridge" in store.types("b")
    assert house.line().engaged == {"g": "b"}


async def test_a_caller_who_waits_gets_the_agent_who_becomes_available(
    house: House, store: Store
) -> None:
    await house.answered("a", JOIN)
    assert "call.bridge" not in store.types()
    await house.flows.on_event("a", TimerFired("prompt.1.0"), -1, "t")
    assert "call.play" in store.types("a")
    await house.agent()
    assert "call.bridge" in store.types("a")


async def test_an_agent_who_cannot_be_reached_is_left_alone_for_a_while(
    house: House, store: Store
) -> None:
    await house.agent()
    await house.answered("a", JOIN)
    await house.hears("a", BridgeFailed("a-agent-1"), 32)
    assert store.types("a").count("call.bridge") == 1
    house.at += timedelta(seconds=5)
    await house.lines.tidy("c")
    assert store.types("a").count("call.bridge") == 2


async def test_who_hangs_up_frees_the_agent(house: House) -> None:
    await house.agent()
    await house.answered("a", JOIN)
    await house.hears("a", HungUp(), 32)
    assert house.line().engaged == {}


async def test_every_change_of_a_load_is_told(house: House, store: Store) -> None:
    await house.answered("a", JOIN)
    await house.hears("a", HungUp(), 32)
    assert store.types("q") == ["queue.load_changed"] * 2


async def test_an_agent_assigned_before_a_crash_is_told_after_it(
    house: House, store: Store
) -> None:
    """The lines were committed, the run never heard of it."""
    await house.answered("a", JOIN)
    before = store.records[run_key("a")]
    await house.agent()
    store.records[run_key("a")] = before  # as if the second commit had not been reached
    store.messages.clear()
    again = House(store)
    await again.lines.tidy("c")
    assert store.types("a") == ["flow.heard", "call.bridge"]


async def test_a_caller_told_again_by_the_prompt_timer_is_bridged(
    house: House, store: Store
) -> None:
    await house.answered("a", JOIN)
    before = store.records[run_key("a")]
    await house.agent()
    store.records[run_key("a")] = before
    store.messages.clear()
    await House(store).flows.on_event("a", TimerFired("prompt.1.0"), -1, "t")
    assert "call.bridge" in store.types("a")


async def test_a_lock_whose_run_has_ended_is_released(house: House, store: Store) -> None:
    """The run ended, and the crash came before the lines heard of it."""
    await house.agent()
    await house.answered("a", JOIN)
    record = store.records[run_key("a")]
    over = house.run("a").model_copy(update={"is_over": True, "waiting": None})
    store.records[run_key("a")] = Record(record.version + 1, over.model_dump_json().encode())
    await house.lines.tidy("c")
    assert house.line().engaged == {}


async def test_a_failure_the_lines_never_heard_of_frees_the_agent(
    house: House, store: Store
) -> None:
    await house.agent()
    await house.answered("a", JOIN)
    lines = store.records[lines_key("c")]
    await house.hears("a", BridgeFailed("a-agent-1"), 32)
    store.records[lines_key("c")] = lines  # as if the crash had come before
    again = House(store)
    again.lines.roster.agents = house.lines.roster.agents
    await again.lines.tidy("c")
    assert again.line().waiting == ("a",)
    assert again.line().engaged == {}
    again.at += timedelta(seconds=5)
    await again.lines.tidy("c")
    assert isinstance(waiting := again.run("a").waiting, ForAgent)
    assert waiting.leg_id == "a-agent-2"


async def test_no_queue_is_missing_before_the_roster_is_known(house: House) -> None:
    house.lines.roster_known.clear()
    begun = asyncio.create_task(house.answered("a", JOIN))
    await asyncio.sleep(0)
    assert not begun.done()
    house.lines.roster_known.set()
    await begun
    assert isinstance(house.run("a").waiting, ForAgent)


async def test_a_queue_that_is_newer_than_the_copy_is_waited_for(house: House) -> None:
    queues = house.lines.roster.queues
    house.lines.roster.queues = {}

    async def catch_up() -> None:
        house.lines.roster.queues = queues

    house.lines.catch_up_with(catch_up)
    await house.answered("a", JOIN)
    assert isinstance(house.run("a").waiting, ForAgent)


async def test_a_missing_speech_engine_does_not_end_the_call(house: House, store: Store) -> None:
    house.voice.is_there = False
    await house.answered("a", TALK, Action(type="sleep", option={"duration": 1000}))
    assert store.types() == [
        "flow.started", "flow.action_started", "flow.heard",
        "flow.action_finished", "flow.action_started",
    ]  # fmt: skip
