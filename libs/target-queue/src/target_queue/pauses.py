"""Pauses that the gateway has asked for, kept by all workers together.

Whoever is asked for one keeps it at once and tells the others, who keep it from the moment they
hear of it; who joins later finds its mark. Time is Redis's: the mark ends by itself.
"""

import asyncio
from datetime import datetime, timedelta

from chassis.outbox import Outbox

from target_queue.keys import PAUSE_CHANNEL, pause_key
from target_queue.packing import instant

MILLISECOND = timedelta(milliseconds=1)
NONE = timedelta()


class Pauses:
    """The pauses of the gateway."""

    def __init__(self, outbox: Outbox) -> None:
        self._redis = outbox.redis
        self._begin = outbox.script(__package__, "pause.lua", in_any_epoch=True)
        self._until = 0.0

    @property
    def left(self) -> timedelta:
        """How much is left of the longest pause that this worker knows of; zero: it may ask."""
        left_s = self._until - asyncio.get_running_loop().time() if self._until else 0.0
        return timedelta(seconds=left_s) if left_s > 0 else NONE

    async def begin(self, pause: timedelta) -> None:
        """Keep a pause, and have all others keep it.

        Raises:
            Transient: Redis is away; this worker keeps it all the same.
        """
        self._keep(pause)
        words = [max(1, pause // MILLISECOND), PAUSE_CHANNEL]
        await self._begin(keys=[pause_key()], args=words)

    async def follow(self) -> None:
        """Keep the pauses that others begin, until cancelled or Redis is away."""
        await self._redis.initialize()  # a cluster's client must know the nodes first
        async with self._redis.pubsub() as pubsub:
            await pubsub.subscribe(PAUSE_CHANNEL)
            self._keep(await self._marked())
            async for heard in pubsub.listen():
                if heard["type"] == "message":
                    self._keep(int(heard["data"]) * MILLISECOND)

    async def until(self) -> datetime | None:
        """Return when the pause ends that is under way, by the store's time, or None."""
        left = await self._marked()
        if left <= NONE:
            return None
        seconds, micros = await self._redis.time()
        return instant(seconds * 1_000_000 + micros) + left

    async def _marked(self) -> timedelta:
        return int(await self._redis.pttl(pause_key())) * MILLISECOND

    def _keep(self, pause: timedelta) -> None:
        now = asyncio.get_running_loop().time()
        self._until = max(self._until, now + pause.total_seconds())
