"""The attempts this worker answers for: begin, follow their signals, settle.

Signals of one attempt are folded in the order in which they came; all that wait are folded in one
commit. A commit that is refused because the record has moved is decided again from the record.
"""

import asyncio
import uuid
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import structlog
from chassis.errors import persist
from chassis.failpoints import reach
from chassis.outbox import Change, Outbox, StaleWrite
from chassis.tracing import TRACES
from contracts.call import Attempt, CallFact, Outcome
from contracts.campaign import Campaign
from contracts.resources import Outplan
from target_queue import Rule, TargetQueue
from target_queue.keys import attempt_key

from dialer.domain import retries
from dialer.domain.calls import Call, CallStatus, LegStatus
from dialer.domain.script import script_of
from dialer.domain.signals import Answered, CallSignal, ChannelEnded
from dialer.domain.story import Connect, Decision, Effect, HangUp, decide
from dialer.metrics import ATTEMPTS, OPEN_CALLS
from dialer.ports import (
    ChannelGone,
    CommandRefused,
    Gateway,
    GatewayUnavailable,
)
from dialer.usecases.commits import Held, progress, settlement

log = structlog.get_logger()

FOLDED_AT_ONCE = 8
GATHER_S = 0.003  # ringing and the answer often come together: one commit for both
LONGEST_CALL = timedelta(hours=1)
MEASURED_EVERY_S = 1.0


@dataclass(slots=True)
class Live:
    """A held attempt with the signals that wait to be folded and the time it must be over.

    Attributes:
        is_placed: The gateway has said yes: from then on it may have rung, whatever is found later.
    """

    held: Held
    campaign: Campaign
    inbox: deque[CallSignal] = field(default_factory=deque)
    folding: asyncio.Task[None] | None = None
    overdue_at: float = 0.0
    last_command: int = -1
    is_originating: bool = False
    is_placed: bool = False
    look_again_at: float = 0.0


class Listener(Protocol):
    """Whoever must know at once that capacity has changed."""

    def on_answered(self, attempt: Attempt) -> None: ...

    def on_settled(self, attempt: Attempt) -> None: ...


class Attempts:
    """All attempts this worker answers for."""

    def __init__(
        self, *, outbox: Outbox, queue: TargetQueue, worker: str, now: Callable[[], datetime]
    ) -> None:
        """Answer for nothing yet.

        Args:
            outbox: Holds their records.
            queue: Holds their targets.
            worker: Our name.
            now: The store's time: what is due when must not hang on this machine's clock.
        """
        self._outbox = outbox
        self.now = now
        self._queue = queue
        self._worker = worker
        self._gateway: Gateway
        self._listener: Listener
        self._on_ended: Callable[[Attempt, bool], None]
        self.live: dict[str, Live] = {}
        self.guests: dict[str, Live] = {}
        """Attempts of other workers, for whose party this one has called an agent."""
        self.legs: dict[str, str] = {}

    def attach(
        self,
        *,
        gateway: Gateway,
        listener: Listener,
        on_ended: Callable[[Attempt, bool], None],
    ) -> None:
        """Name the neighbours, once, before anything is dialed.

        Args:
            gateway: Carries effects out; its signals come in by `hear`.
            listener: Told when an attempt is answered or has ended.
            on_ended: Told of each that this worker has ended, and whether it may have rung.
        """
        self._gateway, self._listener, self._on_ended = gateway, listener, on_ended

    # ---- follow

    def hear(self, signal: CallSignal) -> None:
        """Take a signal of a channel; those of channels that are not ours are left alone."""
        attempt_id = self.legs.get(signal.channel_id, signal.channel_id)
        live = self.live.get(attempt_id) or self.guests.get(attempt_id)
        if live is None:
            log.debug("signal of an unknown channel", channel_id=signal.channel_id)
            return
        live.inbox.append(signal)
        if live.folding is None:
            live.folding = asyncio.create_task(self._fold(live))

    async def hear_for(self, signal: CallSignal) -> None:
        """Take a signal of the channel of any attempt, also of one that another worker holds."""
        attempt_id = signal.channel_id
        if attempt_id not in self.live and attempt_id not in self.guests:
            live = await self.load(attempt_id)
            if live is None:
                return
            self.guests[attempt_id] = live
        self.hear(signal)

    async def _fold(self, live: Live) -> None:
        try:
            await asyncio.sleep(GATHER_S)
            while live.inbox:
                count = min(len(live.inbox), FOLDED_AT_ONCE)
                signals = [live.inbox.popleft() for _ in range(count)]
                await self._apply(live, signals)
        except Exception:
            log.exception("signal failed", attempt_id=live.held.call.attempt_id)
        finally:
            live.folding = None

    async def _apply(self, live: Live, signals: list[CallSignal]) -> None:
        operation = uuid.uuid4().hex[:12]
        while True:
            decided = decide_all(live.held, signals, live.campaign)
            if not decided.facts and not decided.effects:
                return
            try:
                await self._commit_decision(live, decided, operation)
            except StaleWrite:
                known = live.held.call
                if not await self.reload(live):
                    return
                signals = [*forgotten(known, live.held.call, self.now()), *signals]
                continue
            for effect in decided.effects:
                await self._carry_out(effect, live)
            return

    async def _commit_decision(self, live: Live, decided: Decision, operation: str) -> None:
        if decided.outcome is not None:
            await self.settle(
                live, decided.call, decided.facts, decided.outcome, operation=operation
            )
        elif decided.facts:
            change = progress(live.held, decided.call, decided.facts, self.now(), operation)
            await persist(lambda: self._outbox.commit(change), what="progress")
            was_up = live.held.call.status is CallStatus.UP
            live.held.call, live.held.version = decided.call, live.held.version + 1
            if decided.call.status is CallStatus.UP and not was_up:
                longest = LONGEST_CALL.total_seconds() + 5.0
                live.overdue_at = asyncio.get_running_loop().time() + longest
                self._listener.on_answered(live.held.attempt)

    async def _carry_out(self, effect: Effect, live: Live) -> None:
        call = live.held.call
        try:
            match effect:
                case HangUp(channel_id=channel_id):
                    await self._gateway.hang_up(channel_id)
                case Connect(leg_id=leg_id):
                    await self._gateway.connect(
                        f"{call.attempt_id}-bridge", (call.attempt_id, leg_id)
                    )
        except (ChannelGone, CommandRefused, GatewayUnavailable) as gone:
            log.info("effect came too late", attempt_id=call.attempt_id, why=str(gone))

    # ---- settle

    async def settle(
        self,
        live: Live,
        call: Call,
        facts: tuple[CallFact, ...],
        outcome: Outcome,
        *,
        operation: str = "",
        is_success: bool | None = None,
    ) -> None:
        """End an attempt with its outcome, and decide what becomes of its target.

        Raises:
            StaleWrite: The attempt's record has moved: decide again.
        """
        ended = call.model_copy(update={"status": CallStatus.ENDED})
        succeeded = outcome in retries.SUCCESS if is_success is None else is_success

        def after(held: Held, at: datetime) -> Change:
            outplan = live.campaign.outplan or Outplan(id="", customer_id="", created_at=at)
            target = retries.settle(held.target, outplan, is_success=succeeded, at=at)
            return settlement(
                held, ended, facts, outcome=outcome, is_success=succeeded, target=target, at=at,
                operation=operation or uuid.uuid4().hex[:12],
            )  # fmt: skip

        await self._end(live, after, was_dialed=True)
        self._note(live.held.attempt, outcome)
        live.held.call = ended

    async def withdraw(
        self,
        live: Live,
        outcome: Outcome = Outcome.CANCELLED,
        *,
        again_at: datetime | None = None,
    ) -> None:
        """End an attempt so that it does not count: it was never sent, or the campaign says so.

        Args:
            live: Which.
            outcome: CANCELLED: it was not dialed.
            again_at: When the pause is over that the gateway asks for; None: due again at once.
        """
        ended = live.held.call.model_copy(update={"status": CallStatus.ENDED})
        operation = uuid.uuid4().hex[:12]

        def after(held: Held, at: datetime) -> Change:
            slot = held.attempt.destination.slot
            target = retries.take_back(held.target, slot, at, due_at=again_at)
            return settlement(
                held, ended, (), outcome=outcome, is_success=False, target=target, at=at,
                operation=operation, put_off_by=Rule.GATEWAY_PAUSE if again_at else None,
            )  # fmt: skip

        await self._end(live, after, was_dialed=outcome is not Outcome.CANCELLED)
        self._note(live.held.attempt, outcome)

    def _note(self, attempt: Attempt, outcome: Outcome) -> None:
        """Count an attempt that has ended, and close its trace."""
        ATTEMPTS.labels(outcome.value).inc()
        if TRACES.is_on:
            about: dict[str, str | int] = {
                "campaign_engine.campaign_id": attempt.campaign_id,
                "campaign_engine.outdial_id": attempt.outdial_id,
                "campaign_engine.target_id": attempt.target_id,
                "campaign_engine.attempt_number": attempt.attempt_number,
                "campaign_engine.outcome": outcome.value,
            }
            TRACES.whole("attempt", attempt.attempt_id, attempt.created_at, self.now(), about)

    async def _end(
        self, live: Live, after: Callable[[Held, datetime], Change], *, was_dialed: bool
    ) -> None:
        """Commit the end of an attempt; a target that was changed meanwhile is read again."""
        reach("call-ended")
        at = self.now()
        attempt = live.held.attempt
        while True:
            try:
                await persist(lambda: self._outbox.commit(after(live.held, at)), what="settlement")
            except StaleWrite as stale:
                if stale.key == attempt_key(attempt.attempt_id):
                    raise
                found = await persist(
                    lambda: self._queue.load(attempt.outdial_id, attempt.target_id), what="target"
                )
                if found is None:
                    raise
                live.held.target, live.held.target_version = found
                continue
            self._on_ended(attempt, was_dialed)
            self.forget(live)
            return

    async def measure(self) -> None:
        """Measure for ever how many calls this worker answers for."""
        while True:
            statuses = Counter(one.held.call.status for one in self.live.values())
            for status in CallStatus:
                OPEN_CALLS.labels(status.value).set(statuses[status])
            await asyncio.sleep(MEASURED_EVERY_S)

    def hear_end(self, channel_id: str, cause: int, *, was_answered: bool | None = None) -> None:
        """Take the end of a channel that no signal has told of."""
        self.hear(ChannelEnded(channel_id, self.now(), cause, None, was_answered))

    def open_attempts(self) -> list[tuple[Attempt, Campaign]]:
        """Return the calls that this worker answers for, each with its campaign."""
        return [(one.held.attempt, one.campaign) for one in self.live.values()]

    def hold(self, live: Live) -> None:
        """Answer for an attempt from now on."""
        call = live.held.call
        self.live[call.attempt_id] = live
        if call.leg:
            self.legs[call.leg.leg_id] = call.attempt_id

    def forget(self, live: Live) -> None:
        """Let go of an attempt that has ended."""
        call = live.held.call
        self.live.pop(call.attempt_id, None)
        self.guests.pop(call.attempt_id, None)
        if call.leg:
            self.legs.pop(call.leg.leg_id, None)
        self._listener.on_settled(call.attempt)

    async def refresh(self, live: Live) -> None:
        """Read an attempt again after a rebuild, and tell again what its record has forgotten."""
        known = live.held.call
        if await self.reload(live):
            for signal in forgotten(known, live.held.call, self.now()):
                self.hear(signal)

    async def reload(self, live: Live) -> bool:
        """Read an attempt and its target again; forget one that has ended or is another's now."""
        attempt_id = live.held.call.attempt_id
        fresh = await self.load(attempt_id)
        is_ours = attempt_id in self.guests or (fresh and fresh.held.call.holder == self._worker)
        if fresh is None or fresh.held.call.status is CallStatus.ENDED or not is_ours:
            self.forget(live)
            return False
        live.held = fresh.held
        return True

    async def load(self, attempt_id: str) -> Live | None:
        """Return an attempt as its records have it, or None."""
        record = await persist(lambda: self._outbox.read(attempt_key(attempt_id)), what="attempt")
        if record is None:
            return None
        call = Call.model_validate_json(record.body)
        attempt = call.attempt
        target = await persist(
            lambda: self._queue.load(attempt.outdial_id, attempt.target_id), what="target"
        )
        gate = await persist(
            lambda: self._queue.gate(attempt.outdial_id, attempt.campaign_id), what="gate"
        )
        if target is None or gate is None:
            log.error("attempt without target or campaign", attempt_id=attempt_id)
            return None
        return Live(Held(call, record.version, target[0], target[1]), gate[0].campaign)


def decide_all(held: Held, signals: list[CallSignal], campaign: Campaign) -> Decision:
    """Fold several signals of one attempt into one decision."""
    call, outcome = held.call, None
    facts: list[CallFact] = []
    effects: list[Effect] = []
    for signal in signals:
        step = decide(call, signal, lambda: script_of(campaign, held.attempt, held.target))
        call = step.call
        facts += step.facts
        effects += step.effects
        outcome = step.outcome or outcome
    return Decision(call, tuple(facts), tuple(effects), outcome)


def forgotten(known: Call, recorded: Call, now: datetime) -> list[CallSignal]:
    """Return what was heard of a call and is not in its record: it was lost before it was told."""
    signals: list[CallSignal] = []
    at = known.answered_at
    if at and known.status is CallStatus.UP and recorded.answered_at is None:
        signals.append(Answered(known.attempt_id, at))
    leg, was = known.leg, recorded.leg
    is_same = leg and was and leg.leg_id == was.leg_id
    if (
        leg
        and was
        and is_same
        and (was.status, leg.status) == (LegStatus.DIALING, LegStatus.BRIDGED)
    ):
        signals.append(Answered(leg.leg_id, now))
    return signals
