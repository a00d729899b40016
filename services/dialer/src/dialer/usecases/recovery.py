"""Find out what became of attempts whose signals we may have missed.

The rule: known to the gateway, adopt it; ended by its call records, settle it; positively never
seen, dial it, unless a worker that may yet wake up had leave to do so; otherwise it is ambiguous:
it counts as an attempt, and nothing is dialed on a guess. A gateway that was started anew has never
seen what rang before, and one that said yes has seen it: neither is positive.
"""

import asyncio

import structlog
from chassis.errors import Transient, persist
from chassis.outbox import Outbox, StaleWrite
from chassis.shards import shards_of
from contracts.call import Outcome
from contracts.campaign import AmbiguousHandle
from target_queue.keys import NAMESPACE, worker_key

from dialer.domain.calls import CallStatus
from dialer.domain.signals import Answered, Ringing
from dialer.ports import ChannelGone, CommandRefused, Fate, Gateway, GatewayUnavailable, Sighting
from dialer.usecases.attempts import Attempts, Live
from dialer.usecases.dialing import Dialing

log = structlog.get_logger()

CAUSE_OF_DISPOSITION = {"ANSWERED": 16, "NO ANSWER": 19, "BUSY": 17, "CONGESTION": 34}
FAILED_CAUSE = 38
NO_ANSWER_CAUSE = 19
RECHECK_S = 5.0
WATCH_S = 0.5
LIVE_LOOKED_AT_S = 30.0


class Recovery:
    """Adopts, settles or dials what a crash or a lost connection has left open."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        attempts: Attempts,
        dialing: Dialing,
        gateway: Gateway,
        worker: str,
    ) -> None:
        self._outbox = outbox
        self._attempts = attempts
        self._dialing = dialing
        self._gateway = gateway
        self._worker = worker

    async def take_up(self) -> None:
        """Hold again every attempt that this worker answered for before it was restarted."""
        for shard in shards_of(NAMESPACE):
            ids = await self._outbox.redis.smembers(worker_key(shard, self._worker))
            for id_ in ids:
                attempt_id = id_.decode() if isinstance(id_, bytes) else str(id_)
                if attempt_id in self._attempts.live:
                    continue
                live = await self._attempts.load(attempt_id)
                if live is None or live.held.call.status is CallStatus.ENDED:
                    continue
                if live.held.call.holder == self._worker:
                    self._attempts.hold(live)
        if self._attempts.live:
            log.info("attempts taken up", count=len(self._attempts.live))

    async def resume(self) -> None:
        """Go on after Redis has been rebuilt: what this worker knew may be newer, or gone."""
        for live in (*self._attempts.live.values(), *self._attempts.guests.values()):
            await self._attempts.refresh(live)
        await self.take_up()
        await self.reconcile()

    async def reconcile(self) -> None:
        """Look every open call up; called whenever the gateway's events have been interrupted."""
        open_calls = [
            live for live in self._attempts.live.values() if not live.held.attempt.is_flow_only
        ]
        await asyncio.gather(*(self.recover(live) for live in open_calls))

    async def recover(self, live: Live) -> None:
        """Find out what became of one attempt and go on from there."""
        if live.is_originating:
            return  # who asks for its call will find out
        attempt_id = live.held.call.attempt_id
        live.look_again_at = asyncio.get_running_loop().time() + RECHECK_S
        try:
            sighting = await self._gateway.lookup(attempt_id)
        except (GatewayUnavailable, CommandRefused) as trouble:
            log.info("attempt not looked up yet", attempt_id=attempt_id, why=str(trouble))
            return
        live.look_again_at = 0.0
        log.info("attempt looked up", attempt_id=attempt_id, fate=sighting.fate.value)
        try:
            await self._go_on(live, sighting)
        except StaleWrite:
            await self._attempts.reload(live)

    async def _go_on(self, live: Live, sighting: Sighting) -> None:
        attempt_id = live.held.call.attempt_id
        match sighting.fate:
            case Fate.LIVE:
                self._adopt(live, sighting)
            case Fate.ENDED:
                cause = CAUSE_OF_DISPOSITION.get(sighting.disposition, FAILED_CAUSE)
                self._attempts.hear_end(attempt_id, cause, was_answered=sighting.was_answered)
            case Fate.NEVER_SEEN if is_certain(live, sighting):
                await self._dialing.originate(live)
            case Fate.NEVER_SEEN | Fate.UNKNOWN:
                await self._give_up(live)

    def _adopt(self, live: Live, sighting: Sighting) -> None:
        attempt_id, at = live.held.call.attempt_id, self._attempts.now()
        ring_s = live.held.attempt.ring_timeout_ms / 1000
        now = asyncio.get_running_loop().time()
        live.overdue_at = now + ring_s + RECHECK_S
        live.look_again_at = now + LIVE_LOOKED_AT_S  # the gateway may not tell us of its end
        if sighting.state == "ringing":
            self._attempts.hear(Ringing(attempt_id, at))
        elif sighting.state == "up":
            self._attempts.hear(Answered(attempt_id, at))

    async def _give_up(self, live: Live) -> None:
        """Nobody can say what became of it: the third honest outcome."""
        call = live.held.call
        if call.status is CallStatus.UP:
            self._attempts.hear_end(call.attempt_id, 16, was_answered=True)
        elif live.campaign.ambiguous_handle is AmbiguousHandle.REDIAL:
            await self._attempts.withdraw(live, Outcome.AMBIGUOUS)
        else:
            await self._attempts.settle(live, call, (), Outcome.AMBIGUOUS)

    async def watch(self) -> None:
        """Notice calls whose end was never told: hang them up and look them up."""
        while True:
            now = asyncio.get_running_loop().time()
            held = self._attempts.live.values()
            unsure = [self.recover(live) for live in held if 0 < live.look_again_at < now]
            await asyncio.gather(*unsure)
            overdue = [live for live in self._attempts.live.values() if 0 < live.overdue_at < now]
            for live in overdue:
                live.overdue_at = now + RECHECK_S
                await self._end_overdue(live)
            await asyncio.sleep(WATCH_S)

    async def _end_overdue(self, live: Live) -> None:
        attempt_id = live.held.call.attempt_id
        log.warning("call has outlived its time", attempt_id=attempt_id)
        try:
            sighting = await self._gateway.lookup(attempt_id)
            if sighting.fate is Fate.LIVE:
                await self._gateway.hang_up(attempt_id, cause=NO_ANSWER_CAUSE)
            else:
                await self.recover(live)
        except (GatewayUnavailable, ChannelGone, CommandRefused, Transient):
            log.info("overdue call looked up later", attempt_id=attempt_id)


def is_certain(live: Live, sighting: Sighting) -> bool:
    """Whether a gateway that has never seen a call says by that that it has not rung."""
    call = live.held.call
    is_of_one_run = "" != call.gateway_run == sighting.gateway_run
    return call.is_undialed and not live.is_placed and is_of_one_run


async def settled_flow(attempts: Attempts, attempt_id: str, *, is_success: bool) -> None:
    """End the attempt of a flow that ran without a call."""
    live = attempts.live.get(attempt_id) or await attempts.load(attempt_id)
    if live is None or live.held.call.status is CallStatus.ENDED:
        return
    if not live.held.attempt.is_flow_only:
        return
    outcome = Outcome.ANSWERED if is_success else Outcome.FAILED
    await persist(
        lambda: attempts.settle(live, live.held.call, (), outcome, is_success=is_success),
        what="flow settlement",
    )
