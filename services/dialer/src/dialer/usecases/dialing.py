"""From a claim to the ring: a durable intent, a permit in the last instant, an origination."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog
from chassis.errors import Forgotten, persist
from chassis.failpoints import reach
from chassis.outbox import Change, Outbox, Position, StaleWrite
from chassis.tracing import TRACES
from contracts.call import Attempt, Outcome, Pacing
from contracts.campaign import Campaign, CampaignKind
from contracts.envelope import id_of
from contracts.resources import Outplan
from contracts.target import Destination
from target_queue import (
    Claim,
    Deferrals,
    Pauses,
    Permit,
    Permits,
    Rule,
    TargetQueue,
    Word,
)
from target_queue.keys import new_attempt_id, outdial_shard

from dialer.domain import retries
from dialer.domain.calls import Call
from dialer.domain.script import script_of
from dialer.domain.windows import opening_of
from dialer.metrics import ORIGINATIONS, PERMITS
from dialer.ports import (
    Gateway,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
)
from dialer.usecases.attempts import LONGEST_CALL, Attempts, Live
from dialer.usecases.commits import Held, giving_up, intent
from dialer.usecases.holds import Holds, PutOff
from dialer.usecases.pausing import leave_alone

log = structlog.get_logger()

PERMIT_LASTS_S = 0.5
PERMIT_FRESH_S = 0.2
LOOKED_UP_AFTER_S = 5.0
RULES_TRUSTED = timedelta(milliseconds=500)


class Asked(StrEnum):
    """What came of asking the gateway for a call.

    ANSWERED: all is known that can be. UNANSWERED: it may ring. LOST: the attempt's record has
    moved, and no ring has come of asking.
    """

    ANSWERED = "answered"
    UNANSWERED = "unanswered"
    LOST = "lost"


class Dialing:
    """Begins attempts."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        queue: TargetQueue,
        deferrals: Deferrals,
        permits: Permits,
        pauses: Pauses,
        attempts: Attempts,
        gateway: Gateway,
        holds: Holds,
        worker: str,
        gateway_calls_per_second: int | None,
    ) -> None:
        self._outbox = outbox
        self._queue = queue
        self._deferrals = deferrals
        self._permits = permits
        self._pauses = pauses
        self._attempts = attempts
        self._gateway = gateway
        self._holds = holds
        self._worker = worker
        self._gateway_calls_per_second = gateway_calls_per_second
        self._recover: Callable[[Live], Awaitable[None]]

    def attach(self, recover: Callable[[Live], Awaitable[None]]) -> None:
        """Say who finds out what became of an origination that was not answered."""
        self._recover = recover

    async def dial(
        self,
        campaign: Campaign,
        claim: Claim,
        *,
        sequence: int,
        gate_version: int,
        at: datetime,
        pacing: Pacing | None = None,
    ) -> bool:
        """Turn a claim into an attempt: durable intent, then the phone may ring.

        Args:
            campaign: Whose rules it is judged by.
            claim: Whom to call.
            sequence: Of the campaign's last event that this worker has heard.
            gate_version: Of the gate that allowed the claim.
            at: Now, by the store's time.
            pacing: What was known of its queue, if it has one.

        Returns:
            Whether an attempt was begun (it may have ended already).
        """
        outplan = campaign.outplan or Outplan(id="", customer_id="", created_at=at)
        destination = retries.choose_destination(claim.target, outplan)
        shard = outdial_shard(claim.target.outdial_id)
        judged_by = id_of("campaign-manager", campaign.campaign_id, sequence)
        if destination is None:
            target = retries.exhausted(claim.target, at)
            change = giving_up(shard, target, claim.fence, at, judged_by)
            await self._commit_or_release(change, claim)
            return False
        attempt = self._attempt_of(campaign, claim, destination, at)
        target = retries.begin(claim.target, destination, at)
        call = Call(attempt=attempt, gateway_run=self._gateway.run_id)
        held = Held(call, 1, target, claim.fence + 1)
        live = Live(held, campaign)
        script = None
        put_off = await self._holds.take(attempt, campaign) if not attempt.is_flow_only else None
        if put_off is not None:
            await self._put_off(attempt, claim, sequence, put_off)
            return False
        if attempt.is_flow_only:  # its intent is its beginning: the permit comes first
            await self._ask(attempt, 0)
            script = script_of(campaign, attempt, target)
        position = await self._commit_or_release(
            intent(
                held,
                campaign,
                gate_version,
                judged_by=judged_by,
                pacing=pacing,
                script=script,
            ),
            claim,
        )
        if position is None:
            self._holds.let_go(attempt, was_dialed=False)
            return False
        if attempt.is_flow_only:
            return True
        self._attempts.hold(live)
        reach("intent-committed")
        try:
            await self.originate(live, position)
        except Exception:  # its intent stands: whoever watches over open calls takes it from here
            log.exception("origination failed", attempt_id=attempt.attempt_id)
            live.overdue_at = asyncio.get_running_loop().time() + LOOKED_UP_AFTER_S
        return True

    async def _put_off(
        self, attempt: Attempt, claim: Claim, sequence: int, put_off: PutOff
    ) -> None:
        """Give a claim back until its rule allows it."""
        defer = partial(
            self._deferrals.put_off,
            attempt.campaign_id,
            sequence,
            put_off.rule,
            [(claim, put_off.until)],
        )
        await persist(defer, what="deferral")
        if put_off.rule is Rule.DO_NOT_CALL and not await self._holds.is_listed(attempt):
            recall = partial(
                self._deferrals.recall_target,
                attempt.outdial_id,
                put_off.rule,
                attempt.target_id,
            )
            await persist(recall, what="recall")  # taken off the list while we put it off

    def _attempt_of(
        self, campaign: Campaign, claim: Claim, destination: Destination, at: datetime
    ) -> Attempt:
        outplan = campaign.outplan
        return Attempt(
            attempt_id=new_attempt_id(outdial_shard(claim.target.outdial_id)),
            customer_id=campaign.customer_id,
            campaign_id=campaign.campaign_id,
            run_number=campaign.run_number,
            outplan_id=outplan.id if outplan else "",
            outdial_id=claim.target.outdial_id,
            target_id=claim.target.target_id,
            queue_id=campaign.queue_id,
            is_flow_only=campaign.kind is CampaignKind.FLOW,
            destination=destination,
            source=outplan.source if outplan else None,
            attempt_number=destination.attempt_count + 1,
            ring_timeout_ms=outplan.dial_timeout_ms if outplan else 0,
            fence=claim.fence,
            worker=self._worker,
            created_at=at,
        )

    async def _commit_or_release(self, change: Change, claim: Claim) -> Position | None:
        try:
            return await persist(lambda: self._outbox.commit(change), what="intent")
        except StaleWrite:
            await persist(
                lambda: self._queue.release(claim.target.outdial_id, [claim]), what="release"
            )
            return None

    async def _ask(self, attempt: Attempt, version: int) -> Permit:
        return await self._permits.ask(
            attempt.outdial_id,
            attempt.campaign_id,
            attempt.run_number,
            attempt.attempt_id,
            version,
        )

    async def originate(self, live: Live, intended: Position | None = None) -> None:
        """Ask the gateway for the call of an intent, once it is durable and the phone may ring.

        Args:
            live: Whose; if it is being asked for already, that is enough.
            intended: Where its intent stands; None: somewhere in what the outbox holds.
        """
        if live.is_originating:
            return
        live.is_originating = True
        try:
            await self._durable(live.held.attempt, intended)
            asked = await self._ask_gateway(live)
            while asked is Asked.LOST and await self._attempts.reload(live):
                if not live.held.call.is_undialed:
                    return
                asked = await self._ask_gateway(live)
        except Forgotten:
            asked = Asked.UNANSWERED  # its intent is durable, or there is none: look it up
        finally:
            live.is_originating = False
        if asked is Asked.UNANSWERED:
            await self._recover(live)

    async def _durable(self, attempt: Attempt, intended: Position | None) -> None:
        position = intended
        if position is None:
            tail = partial(self._outbox.tail, outdial_shard(attempt.outdial_id))
            position = await persist(tail, what="intent")
        await persist(partial(self._outbox.published, position), what="intent")
        reach("intent-published")

    async def _ask_gateway(self, live: Live) -> Asked:
        """Originate, if there is a permit; return what came of it."""
        permit, shared = await self._permitted(live)
        PERMITS.labels(permit.word.value).inc()
        asked = Asked.ANSWERED
        try:
            match permit.word:
                case Word.GO:
                    live.held.version += 1
                    reach("permitted")
                    asked = await self._originate(live, permit)
                case Word.CLOSED:
                    await self._attempts.withdraw(live)
                case Word.LOST:
                    return Asked.LOST
        except StaleWrite:  # a permit whose answer was lost has raised the record, for one
            asked = Asked.LOST
        finally:
            if asked is Asked.ANSWERED:
                self._count(live.held.attempt, permit, shared)
        return asked

    def _count(self, attempt: Attempt, permit: Permit, shared: Iterable[str]) -> None:
        """Say that the ring has begun by now, or there is none: a second more, and it is past.

        What was not answered counts for longer: it may still lie in a line that is frozen.
        """
        for scope in shared:
            self._permits.answered_shared(scope, attempt.attempt_id)
        if permit.word is Word.GO:
            campaign_id, run_number = attempt.campaign_id, attempt.run_number
            self._permits.answered(attempt.outdial_id, campaign_id, run_number, attempt.attempt_id)

    async def _permitted(self, live: Live) -> tuple[Permit, Iterable[str]]:
        """Ask for the campaign's permit and for room in the rates that it shares; return which."""
        attempt, version = live.held.attempt, live.held.version
        permit = await self._ask(attempt, version)
        if permit.word is not Word.GO:
            return permit, ()
        shared = self._scopes(live.campaign)
        for scope, per_second in shared.items():
            await self._permits.ask_shared(scope, per_second, attempt.attempt_id)
        if asyncio.get_running_loop().time() - permit.asked_at > PERMIT_FRESH_S:
            permit = await self._ask(attempt, version)  # the gate may have closed meanwhile
        return permit, shared

    def shares_a_rate(self, campaign: Campaign) -> bool:
        """Whether other campaigns may take what this one could dial."""
        return bool(self._scopes(campaign))

    def _scopes(self, campaign: Campaign) -> dict[str, int]:
        """Return the rates that a campaign's calls share with others, per second."""
        scopes = {}
        if self._gateway_calls_per_second is not None:
            scopes["gateway"] = self._gateway_calls_per_second
        outplan = campaign.outplan
        if outplan and outplan.source and outplan.source_calls_per_second is not None:
            caller = f"{campaign.customer_id}-{outplan.source.target}"
            scopes[f"caller-{caller}"] = outplan.source_calls_per_second
        return scopes

    async def _is_still_allowed(self, live: Live, at: datetime) -> bool:
        """Ask the rules once more: between the claim and the ring, hours end and lists grow."""
        attempt, campaign = live.held.attempt, live.campaign
        if opening_of(campaign, attempt.destination.address, at):
            return False
        is_fresh = at - attempt.created_at < RULES_TRUSTED
        return is_fresh or await self._holds.take(attempt, campaign) is None

    async def _originate(self, live: Live, permit: Permit) -> Asked:
        attempt = live.held.attempt
        if not await self._is_still_allowed(live, permit.at):
            await self._attempts.withdraw(live)
            return Asked.ANSWERED
        if left := self._pauses.left:
            await self._attempts.withdraw(live, again_at=_soon(permit) + left)
            return Asked.ANSWERED
        ring_timeout = timedelta(milliseconds=attempt.ring_timeout_ms)
        live.overdue_at = asyncio.get_running_loop().time() + ring_timeout.total_seconds() + 5.0
        origination = Origination(
            channel_id=attempt.attempt_id,
            address=attempt.destination.address,
            kind=attempt.destination.kind,
            caller_id=attempt.source.target if attempt.source else None,
            ring_timeout=ring_timeout,
            absolute_timeout=LONGEST_CALL,
            not_after=permit.asked_at + PERMIT_LASTS_S,
        )
        try:
            with TRACES.calling("originate", attempt.attempt_id):
                await self._gateway.originate(origination)
            live.is_placed = True
            reach("origination-answered")
            ORIGINATIONS.labels("accepted").inc()
        except GatewayPaused as asked:
            ORIGINATIONS.labels("paused").inc()
            await leave_alone(self._pauses, asked)
            await self._attempts.withdraw(live, again_at=_soon(permit) + asked.pause)
        except OriginationRefused as refusal:
            ORIGINATIONS.labels("refused").inc()
            log.info("origination refused", attempt_id=attempt.attempt_id, why=refusal.why)
            await self._attempts.settle(live, live.held.call, (), Outcome.FAILED)
        except GatewayUnavailable:
            ORIGINATIONS.labels("unavailable").inc()
            await self._attempts.withdraw(live)
        except OriginationUnknown:
            ORIGINATIONS.labels("unknown").inc()
            log.warning("origination not answered", attempt_id=attempt.attempt_id)
            return Asked.UNANSWERED
        return Asked.ANSWERED


def _soon(permit: Permit) -> datetime:
    """Return now by the store's time, or a moment later."""
    return permit.at + timedelta(seconds=asyncio.get_running_loop().time() - permit.asked_at)
