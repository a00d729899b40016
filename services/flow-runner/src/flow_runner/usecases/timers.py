"""Timers: a due-time set per shard, fired as events. Two replicas may fire one: it counts once."""

import asyncio
from contextlib import suppress
from typing import Any

import structlog
from chassis.clock import StoreClock
from chassis.outbox import Outbox
from chassis.shards import shards_of

from flow_runner.domain.events import TimerFired
from flow_runner.usecases.flows import NAMESPACE, Flows, due_key

log = structlog.get_logger()

LONGEST_SLEEP_S = 1.0
FIRED_AT_ONCE = 500


class Timers:
    """Fires what is due and sleeps until the next."""

    def __init__(
        self, *, outbox: Outbox, flows: Flows, clock: StoreClock, wake: asyncio.Event
    ) -> None:
        self._outbox = outbox
        self._flows = flows
        self._clock = clock
        self._wake = wake

    async def run(self) -> None:
        """Fire timers for as long as the program runs."""
        while True:
            self._wake.clear()
            await self._clock.set_by(self._outbox)
            next_due = [await self._fire(shard) for shard in shards_of(NAMESPACE)]
            pauses = [pause for pause in next_due if pause is not None]
            pause = max(0.005, min([LONGEST_SLEEP_S, *pauses]))
            with suppress(TimeoutError):
                # Not wait_for: before Python 3.12 it may swallow the cancellation that ends us.
                async with asyncio.timeout(pause):
                    await self._wake.wait()

    async def _fire(self, shard: str) -> float | None:
        """Fire a shard's due timers; return seconds until its next one, None without any."""
        rows: Any = await self._outbox.redis.zrange(
            due_key(shard), 0, FIRED_AT_ONCE - 1, withscores=True
        )
        now = self._clock.now().timestamp() * 1_000_000
        due = [name.decode().partition("|") for name, at in rows if at <= now]
        await asyncio.gather(
            *(
                self._flows.on_event(attempt_id, TimerFired(timer), -1, f"timer/{timer}")
                for attempt_id, _, timer in due
            )
        )
        waiting = [at for _, at in rows if at > now]
        return (waiting[0] - now) / 1_000_000 if waiting else None
