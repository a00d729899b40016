"""Keep a program in the epoch of the store: wait while it is lost, go on once it is rebuilt."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import structlog

from chassis import epoch as epochs
from chassis.broker import is_log_empty
from chassis.epoch import Epoch, Lost
from chassis.errors import TRANSIENT, persist
from chassis.probes import Readiness
from chassis.settings import ServiceSettings
from chassis.store import connect

log = structlog.get_logger()

LOOK_S = 0.5


class EpochKeeper:
    """Looks after one program's epoch, over a client that takes any server for the right one."""

    def __init__(self, settings: ServiceSettings, epoch: Epoch, readiness: Readiness) -> None:
        self._settings = settings
        self._epoch = epoch
        self._readiness = readiness
        self._redis = connect(settings.redis)

    async def enter(self) -> None:
        """Work in the epoch of the store; a new installation begins its first.

        Raises:
            Lost: Redis lacks what Kafka tells.
            Transient: Redis or Kafka is away.
        """
        try:
            await epochs.adopt(self._redis, self._epoch)
        except Lost:
            if not await is_log_empty(self._settings):
                raise
            await epochs.found(self._redis)
            await epochs.adopt(self._redis, self._epoch)

    async def watch(self, on_rebuilt: Sequence[Callable[[], Awaitable[None]]]) -> None:
        """Say on /readyz when the store is lost, and take up what is left once it is rebuilt."""
        while True:
            try:
                is_new = await epochs.adopt(self._redis, self._epoch)
            except Lost as lost:
                self.tell(False, str(lost))
            except TRANSIENT:
                pass  # that Redis is away is told by whoever asks whether it is there
            else:
                if is_new:
                    log.warning("redis was rebuilt", epoch=self._epoch.name)
                    for take_up in on_rebuilt:
                        await persist(take_up, what="taking up")
                self.tell(True, "")
            await asyncio.sleep(LOOK_S)

    def tell(self, is_ok: bool, why: str) -> None:
        """Set the condition on /readyz."""
        self._readiness.set("state", is_ok, why)

    async def aclose(self) -> None:
        """Close the client."""
        await self._redis.aclose()
