"""The store's time, by a clock that no step of the machine's own can move."""

import asyncio
from datetime import UTC, datetime, timedelta

from chassis.outbox import Outbox

SET_EVERY_S = 1.0


class StoreClock:
    """The time of the store, as it was when it was last looked at and has gone on since.

    Workers whose own clocks are askew or jump agree by it about what is due when.
    """

    def __init__(self) -> None:
        self._at = datetime.now(UTC)
        self._seen_at: float | None = None

    def now(self) -> datetime:
        """Return the present instant as the store sees it; before the first look, as we do."""
        if self._seen_at is None:
            return datetime.now(UTC)
        since = asyncio.get_running_loop().time() - self._seen_at
        return self._at + timedelta(seconds=since)

    async def set_by(self, outbox: Outbox) -> None:
        """Look at the store's clock, as if it had been read when it was asked.

        So this clock may be ahead by what the answer took, and never behind: what is due after an
        interval is never due too early.

        Raises:
            redis.exceptions.ConnectionError: Redis is away; the clock goes on as it was.
        """
        asked_at = asyncio.get_running_loop().time()
        seconds, micros = await outbox.redis.time()
        self._at = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
        self._seen_at = asked_at

    async def follow(self, outbox: Outbox) -> None:
        """Look at it every second, until cancelled or Redis is away."""
        while True:
            await self.set_by(outbox)
            await asyncio.sleep(SET_EVERY_S)
