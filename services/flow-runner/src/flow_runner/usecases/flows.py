"""Flow runs: load a run, let the interpreter take a step, commit what comes of it in one change."""

import uuid
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from chassis.shards import shard_of
from contracts.envelope import wrap
from contracts.flow import ActionFinished, FlowFact, FlowFinished
from contracts.topics import CALL_COMMANDS, FLOW_EVENTS

from flow_runner.domain.events import (
    CancelTimer,
    Effect,
    Event,
    FindQueue,
    HungUp,
    JoinQueue,
    LeaveQueue,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Say,
    SetTimer,
    Speak,
    Started,
    TimerFired,
)
from flow_runner.domain.hearing import answer_of, heard_of, told
from flow_runner.domain.interpreter import step
from flow_runner.domain.runs import Run
from flow_runner.metrics import ACTIONS, FLOWS
from flow_runner.ports import CannotSpeak, Speech

log = structlog.get_logger()

SOURCE = "flow-runner"
NAMESPACE = "flow"
MESSAGES_PER_COMMIT = 512  # a hundred actions may tell four things each
KEPT_MS = 3600 * 1000
REMEMBERED = 5000

Command = tuple[str | bytes | int | float, ...]
Question = Speak | FindQueue
Answer = PromptMade | PlaybackFinished | QueueFound | QueueMissing
AtQueue = Callable[[Run, JoinQueue | LeaveQueue], Awaitable[None]]
FindIt = Callable[[Run, str], Awaitable[QueueFound | QueueMissing]]


def run_key(attempt_id: str) -> str:
    """Record of a flow run."""
    return f"{{{shard_of(NAMESPACE, attempt_id)}}}:run:{attempt_id}"


def due_key(shard: str) -> str:
    """Sorted set of a shard's timers by due time in microseconds: `attempt id|timer`."""
    return f"{{{shard}}}:due"


class Flows:
    """All flow runs."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        speech: Speech,
        now: Callable[[], datetime],
        on_timer: Callable[[], None],
    ) -> None:
        self._outbox = outbox
        self._speech = speech
        self._now = now
        self._on_timer = on_timer
        self._at_queue: AtQueue
        self._find_queue: FindIt
        self._known: OrderedDict[str, tuple[Run, int]] = OrderedDict()

    def queue_with(self, at_queue: AtQueue, find_queue: FindIt) -> None:
        """Say who carries out joining and leaving, and who looks queues up."""
        self._at_queue, self._find_queue = at_queue, find_queue

    async def begin(self, run: Run, sequence: int, cause: str) -> None:
        """Start a run; one that exists has been started before, and is left alone."""
        if run.attempt_id not in self._known:
            await self._advance(run, 0, Started(), sequence, cause)

    async def on_event(
        self, attempt_id: str, event: Event, sequence: int, cause: str
    ) -> Run | None:
        """Let a run take a step, unless it has seen the message; return the run, if there is one.

        Args:
            attempt_id: Whose run.
            event: What has happened.
            sequence: Number of the message that told it; below 0 if none did.
            cause: Id of that message.
        """
        while True:
            found = await self._load(attempt_id)
            if found is None or (0 <= sequence <= found[0].seen) or found[0].is_over:
                await self._drop_timer(attempt_id, event)
                if isinstance(event, HungUp):
                    self._known.pop(attempt_id, None)
                return found[0] if found else None
            after = await self._advance(found[0], found[1], event, sequence, cause)
            if after is not None:
                return after

    async def forget(self) -> None:
        """Read every run again when it is needed: Redis has been rebuilt."""
        self._known.clear()
        self._on_timer()

    async def stored(self, attempt_id: str) -> Run | None:
        """Return a run as it is stored."""
        self._known.pop(attempt_id, None)
        found = await self._load(attempt_id)
        return found[0] if found else None

    async def _load(self, attempt_id: str) -> tuple[Run, int] | None:
        known = self._known.get(attempt_id)
        if known is not None:
            return known
        record = await self._outbox.read(run_key(attempt_id))
        return (Run.model_validate_json(record.body), record.version) if record else None

    async def _advance(
        self, run: Run, version: int, event: Event, sequence: int, cause: str
    ) -> Run | None:
        """Take a step and commit it; return the run, or None if it has moved meanwhile."""
        after, effects = await self._answer(*step(run, event))
        heard = heard_of(event)
        if heard is not None and (effects or after != run):
            effects = (Say(told(run, heard)), *effects)
        if sequence >= 0:
            after = after.model_copy(update={"seen": sequence})
        change = self._change(after, version, effects, event, cause)
        try:
            await self._outbox.commit(change)
        except StaleWrite:
            self._known.pop(run.attempt_id, None)
            return None
        except BaseException:
            self._known.pop(run.attempt_id, None)  # it may have happened: look before the next
            raise
        self._remember(after, version + 1)
        await self._carry_out(after, effects)
        return after

    async def _carry_out(self, run: Run, effects: tuple[Effect, ...]) -> None:
        """Do what a step that is committed asks for, beside what it tells; and count it."""
        for effect in effects:
            match effect:
                case Say(message=ActionFinished(action_type=action, how=how)):
                    ACTIONS.labels(action, how).inc()
                case Say(message=FlowFinished(how=how)):
                    FLOWS.labels(how).inc()
                case JoinQueue() | LeaveQueue():
                    await self._at_queue(run, effect)
                case SetTimer():
                    self._on_timer()
                case _:
                    pass

    async def _answer(
        self, run: Run, effects: tuple[Effect, ...]
    ) -> tuple[Run, tuple[Effect, ...]]:
        """Answer the questions of a step by further steps, until nothing is open."""
        done: list[Effect] = []
        open_ = list(effects)
        while open_:
            effect = open_.pop(0)
            if isinstance(effect, Speak | FindQueue):
                answer = await self._told(run, effect)
                done.append(Say(told(run, answer_of(answer))))
                run, more = step(run, answer)
                open_ = [*more, *open_]
            else:
                done.append(effect)
        return run, tuple(done)

    async def _told(self, run: Run, question: Question) -> Answer:
        if isinstance(question, FindQueue):
            return await self._find_queue(run, question.queue_id)
        try:
            spoken = await self._speech.speak(question.text, question.language, question.voice)
        except CannotSpeak as error:
            log.warning("text not spoken", attempt_id=run.attempt_id, why=str(error))
            return PlaybackFinished(question.playback_id, is_failed=True)
        return PromptMade(question.playback_id, spoken.url, spoken.duration_ms)

    def _remember(self, run: Run, version: int) -> None:
        self._known[run.attempt_id] = (run, version)
        self._known.move_to_end(run.attempt_id)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _drop_timer(self, attempt_id: str, event: Event) -> None:
        if isinstance(event, TimerFired):
            shard = shard_of(NAMESPACE, attempt_id)
            await self._outbox.redis.zrem(due_key(shard), f"{attempt_id}|{event.timer}")

    def _change(
        self, run: Run, version: int, effects: tuple[Effect, ...], event: Event, cause: str
    ) -> Change:
        shard = shard_of(NAMESPACE, run.attempt_id)
        now = self._now()
        also: list[Command] = []
        if isinstance(event, TimerFired):
            also.append(("ZREM", due_key(shard), f"{run.attempt_id}|{event.timer}"))
        messages: list[OutMessage] = []
        for effect in effects:
            match effect:
                case Say(message=message):
                    sequence = (version + 1) * MESSAGES_PER_COMMIT + len(messages)
                    messages.append(_message(run, message, sequence, now, cause))
                case SetTimer(timer=timer, after_ms=after_ms):
                    due = int((now + timedelta(milliseconds=after_ms)).timestamp() * 1_000_000)
                    also.append(("ZADD", due_key(shard), due, f"{run.attempt_id}|{timer}"))
                case CancelTimer(timer=timer):
                    also.append(("ZREM", due_key(shard), f"{run.attempt_id}|{timer}"))
                case _:
                    pass
        if run.is_over:
            also.append(("PEXPIRE", run_key(run.attempt_id), KEPT_MS))
        return Change(
            shard=shard,
            operation=uuid.uuid4().hex[:12],
            writes=(Write(run_key(run.attempt_id), version, run.model_dump_json().encode()),),
            also=tuple(also),
            messages=tuple(messages),
        )


def _message(run: Run, message: Any, sequence: int, at: datetime, cause: str) -> OutMessage:
    topic = FLOW_EVENTS if isinstance(message, FlowFact) else CALL_COMMANDS
    envelope: Any = wrap(
        message,
        source=SOURCE,
        subject=run.attempt_id,
        sequence=sequence,
        at=at,
        customer_id=run.customer_id,
        cause=cause or None,
    )
    return OutMessage.of(topic, envelope)
