"""The workers look after one another: each says that it lives, and adopts what a dead one left.

Adoption is a commit under the version of the attempt, so that a worker that was only slow can
neither originate nor settle it any more. What the dead one may have asked of the network is looked
up; what nobody can find out is ambiguous, and nothing is dialed on a guess.
"""

import asyncio

import structlog
from chassis.errors import TRANSIENT, persist
from chassis.outbox import Outbox, StaleWrite
from chassis.shards import shards_of
from target_queue import Permits, Workers
from target_queue.keys import NAMESPACE

from dialer.domain.calls import CallStatus
from dialer.metrics import ADOPTED
from dialer.ports import Gateway
from dialer.usecases.attempts import Attempts, Live
from dialer.usecases.commits import adoption
from dialer.usecases.recovery import Recovery

log = structlog.get_logger()

BEAT_S = 1.0
ADOPTED_AT_ONCE = 50


class Fleet:
    """This worker among the others."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        workers: Workers,
        permits: Permits,
        attempts: Attempts,
        recovery: Recovery,
        gateway: Gateway,
        worker: str,
    ) -> None:
        self._outbox = outbox
        self._workers = workers
        self._permits = permits
        self._attempts = attempts
        self._recovery = recovery
        self._gateway = gateway
        self._worker = worker
        self._turn = asyncio.Semaphore(ADOPTED_AT_ONCE)
        self._speaking = asyncio.Lock()
        self._is_leaving = False

    async def beat(self) -> None:
        """Say each second that this worker lives, and take up what the silent have left."""
        while True:
            async with self._speaking:
                if not self._is_leaving:
                    await self._look_around()
            await asyncio.sleep(BEAT_S)

    async def _look_around(self) -> None:
        for shard in shards_of(NAMESPACE):
            roll = await self._workers.beat(shard, self._worker)
            for silent in roll.silent:
                await self._inherit(shard, silent)
        self._stand_down()

    async def leave(self) -> None:
        """Hand the open calls over to those who stay, if there is anybody."""
        self._is_leaving = True
        try:
            async with self._speaking:  # or a word that is on its way would be the last
                for shard in shards_of(NAMESPACE):
                    await self._workers.beat(shard, self._worker, is_leaving=True)
        except TRANSIENT as trouble:
            log.warning("left without a word", why=str(trouble))

    async def _inherit(self, shard: str, silent: str) -> None:
        """Take over what a silent worker answers for in a shard, and strike it off."""
        ids = await self._workers.attempts_of(shard, silent)
        if ids:
            log.warning("worker is silent", worker=silent, attempts=len(ids))
            self._gateway.stand_in(silent)
            await asyncio.gather(*(self._adopt(id_, silent) for id_ in sorted(ids)))
        await self._workers.forget(shard, silent)

    async def _adopt(self, attempt_id: str, silent: str) -> None:
        async with self._turn:
            live = await self._attempts.load(attempt_id)
            if live is None or live.held.call.status is CallStatus.ENDED:
                return
            if live.held.call.holder != silent:
                return  # another was faster
            if not await self._take(live, silent):
                return
        self._attempts.hold(live)
        if not live.held.attempt.is_flow_only:
            self._gateway.stand_in(live.held.attempt.worker)
            await self._recovery.recover(live)

    async def _take(self, live: Live, silent: str) -> bool:
        """Put an attempt into our own hands; False if another was faster."""
        call = live.held.call
        is_open = call.status is CallStatus.DIALING
        adopted = call.model_copy(
            update={
                "adopted_by": self._worker,
                "is_doubtful": call.is_doubtful
                or (is_open and await self._permits.was_given(call.attempt_id)),
            }
        )
        change = adoption(live.held, adopted, silent, self._attempts.now())
        try:
            await persist(lambda: self._outbox.commit(change), what="adoption")
        except StaleWrite:
            return False
        live.held.call, live.held.version = adopted, live.held.version + 1
        ADOPTED.inc()
        return True

    def _stand_down(self) -> None:
        """Hear no longer for workers of whom no call is left."""
        needed = {live.held.attempt.worker for live in self._attempts.live.values()}
        for worker in self._gateway.stood_in_for - needed:
            self._gateway.stand_down(worker)
