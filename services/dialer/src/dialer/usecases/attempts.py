"""The attempts this worker answers for: begin, follow their signals, settle.

Signals of one attempt are folded in the order in which they came; all that wait are folded in one
commit. A commit that is refused because the record has moved is decided again from the record.
"""

import asyncio
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Protocol

import structlog
from chassis.errors import persist
from chassis.outbox import Change, Outbox, Position, StaleWrite
from contracts.call import Attempt, CallFact, Outcome
from contracts.campaign import Campaign, CampaignKind
from contracts.resources import Outplan
from target_queue import Claim, TargetQueue
from target_queue.keys import attempt_key, new_attempt_id, outdial_shard

from dialer.domain import retries
from dialer.domain.calls import Call, CallStatus
from dialer.domain.script import script_of
from dialer.domain.signals import CallSignal, ChannelEnded
from dialer.domain.story import Connect, Decision, Effect, HangUp, decide
from dialer.ports import (
    ChannelGone,
    CommandRefused,
    Gateway,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
)
from dialer.usecases.commits import Held, giving_up, intent, progress, settlement

log = structlog.get_logger()

FOLDED_AT_ONCE = 8
GATHER_S = 0.003  # ringing and the answer often come together: one commit for both
LONGEST_CALL = timedelta(hours=1)
GATE_TRUSTED = timedelta(milliseconds=200)


@dataclass(slots=True)
class Live:
    """A held attempt with the signals that wait to be folded and the time it must be over."""

    held: Held
    campaign: Campaign
    inbox: deque[CallSignal] = field(default_factory=deque)
    folding: asyncio.Task[None] | None = None
    overdue_at: float = 0.0
    last_command: int = -1


class Listener(Protocol):
    """Whoever must know at once that capacity has changed."""

    def on_answered(self, attempt: Attempt) -> None: ...

    def on_settled(self, attempt: Attempt) -> None: ...


class Attempts:
    """All attempts this worker answers for."""

    def __init__(self, *, outbox: Outbox, queue: TargetQueue, worker: str) -> None:
        self._outbox = outbox
        self._queue = queue
        self._worker = worker
        self._gateway: Gateway
        self._listener: Listener
        self._recover: Callable[[Live], Awaitable[None]]
        self.live: dict[str, Live] = {}
        self.legs: dict[str, str] = {}

    def attach(
        self,
        *,
        gateway: Gateway,
        listener: Listener,
        recover: Callable[[Live], Awaitable[None]],
    ) -> None:
        """Name the neighbours, once, before anything is dialed.

        Args:
            gateway: Places the calls; its signals come in by `hear`.
            listener: Told when an attempt is answered or has ended.
            recover: Finds out what became of an origination that was not answered.
        """
        self._gateway, self._listener, self._recover = gateway, listener, recover

    # ---- begin

    async def dial(self, campaign: Campaign, claim: Claim, gate_version: int, at: datetime) -> bool:
        """Turn a claim into an attempt: durable intent, then the phone may ring.

        Returns:
            Whether an attempt was begun (it may have ended already).
        """
        outplan = campaign.outplan or Outplan(id="", customer_id="", created_at=at)
        destination = retries.choose_destination(claim.target, outplan)
        shard = outdial_shard(claim.target.outdial_id)
        if destination is None:
            target = retries.exhausted(claim.target, at)
            change = giving_up(shard, target, claim.fence, claim.target.outdial_id, at)
            await self._commit_or_release(change, claim)
            return False
        attempt = Attempt(
            attempt_id=new_attempt_id(shard),
            customer_id=campaign.customer_id,
            campaign_id=campaign.campaign_id,
            run_number=campaign.run_number,
            outplan_id=outplan.id,
            outdial_id=claim.target.outdial_id,
            target_id=claim.target.target_id,
            queue_id=campaign.queue_id,
            is_flow_only=campaign.kind is CampaignKind.FLOW,
            destination=destination,
            source=outplan.source,
            attempt_number=destination.attempt_count + 1,
            ring_timeout_ms=outplan.dial_timeout_ms,
            fence=claim.fence,
            worker=self._worker,
            created_at=at,
        )
        target = retries.begin(claim.target, destination, at)
        held = Held(Call(attempt=attempt), 1, target, claim.fence + 1)
        live = Live(held, campaign)
        script = script_of(campaign, attempt, target) if attempt.is_flow_only else None
        committed = datetime.now(UTC)
        position = await self._commit_or_release(
            intent(held, campaign, gate_version, script), claim
        )
        if position is None:
            return False
        self.live[attempt.attempt_id] = live
        if attempt.is_flow_only:
            return True
        await persist(lambda: self._outbox.published(position), what="intent")
        if datetime.now(UTC) - committed > GATE_TRUSTED and not await self.may_dial(live):
            await self.withdraw(live)
        else:
            await self.originate(live)
        return True

    async def _commit_or_release(self, change: Change, claim: Claim) -> Position | None:
        try:
            return await persist(lambda: self._outbox.commit(change), what="intent")
        except StaleWrite:
            await persist(
                lambda: self._queue.release(claim.target.outdial_id, [claim]), what="release"
            )
            return None

    async def may_dial(self, live: Live) -> bool:
        """Whether the gate still stands open for the run of an attempt."""
        attempt = live.held.attempt
        found = await persist(
            lambda: self._queue.gate(attempt.outdial_id, attempt.campaign_id), what="gate"
        )
        return found is not None and found[0].is_open and found[0].run_number == attempt.run_number

    async def originate(self, live: Live) -> None:
        """Ask the gateway for the call of a durable intent."""
        attempt = live.held.attempt
        ring_timeout = timedelta(milliseconds=attempt.ring_timeout_ms)
        live.overdue_at = asyncio.get_running_loop().time() + ring_timeout.total_seconds() + 5.0
        origination = Origination(
            channel_id=attempt.attempt_id,
            address=attempt.destination.address,
            kind=attempt.destination.kind,
            caller_id=attempt.source.target if attempt.source else None,
            ring_timeout=ring_timeout,
            absolute_timeout=LONGEST_CALL,
        )
        try:
            await self._gateway.originate(origination)
        except OriginationRefused as refusal:
            log.info("origination refused", attempt_id=attempt.attempt_id, why=refusal.why)
            await self.settle(live, live.held.call, (), Outcome.FAILED)
        except GatewayUnavailable:
            await self.withdraw(live)
        except OriginationUnknown:
            log.warning("origination not answered", attempt_id=attempt.attempt_id)
            await self._recover(live)

    # ---- follow

    def hear(self, signal: CallSignal) -> None:
        """Take a signal of a channel; those of channels that are not ours are left alone."""
        attempt_id = self.legs.get(signal.channel_id, signal.channel_id)
        live = self.live.get(attempt_id)
        if live is None:
            log.debug("signal of an unknown channel", channel_id=signal.channel_id)
            return
        live.inbox.append(signal)
        if live.folding is None:
            live.folding = asyncio.create_task(self._fold(live))

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
                if not await self.reload(live):
                    return
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
            change = progress(live.held, decided.call, decided.facts, datetime.now(UTC), operation)
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

        await self._end(live, after)
        live.held.call = ended

    async def withdraw(self, live: Live) -> None:
        """End an attempt that was never sent to the network: it does not count."""
        ended = live.held.call.model_copy(update={"status": CallStatus.ENDED})
        operation = uuid.uuid4().hex[:12]

        def after(held: Held, at: datetime) -> Change:
            target = retries.take_back(held.target, held.attempt.destination.slot, at)
            return settlement(
                held, ended, (), outcome=Outcome.CANCELLED, is_success=False, target=target, at=at,
                operation=operation,
            )  # fmt: skip

        await self._end(live, after)

    async def _end(self, live: Live, after: Callable[[Held, datetime], Change]) -> None:
        """Commit the end of an attempt; a target that was changed meanwhile is read again."""
        at = datetime.now(UTC)
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
            self.forget(live)
            return

    def forget(self, live: Live) -> None:
        """Let go of an attempt that has ended."""
        call = live.held.call
        self.live.pop(call.attempt_id, None)
        if call.leg:
            self.legs.pop(call.leg.leg_id, None)
        self._listener.on_settled(call.attempt)

    async def reload(self, live: Live) -> bool:
        """Read an attempt and its target again; forget it if someone else has ended it."""
        fresh = await self.load(live.held.call.attempt_id)
        if fresh is None or fresh.held.call.status is CallStatus.ENDED:
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


def ended_now(channel_id: str, cause: int, *, was_answered: bool | None = None) -> ChannelEnded:
    """Return the end of a channel that no signal has told of."""
    return ChannelEnded(
        channel_id=channel_id,
        at=datetime.now(UTC),
        cause=cause,
        tech_cause=None,
        was_answered=was_answered,
    )
