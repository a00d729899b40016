"""The timer loop ends when it is told to, whatever else happens in that moment."""

import asyncio
from typing import Any

import pytest
from chassis.clock import StoreClock
from flow_runner.usecases.timers import Timers


class Empty:
    """A store without timers."""

    def __init__(self) -> None:
        self.redis = self

    async def time(self) -> tuple[int, int]:
        return 1_800_000_000, 0

    async def zrange(self, *_words: Any, **_options: Any) -> list[Any]:
        return []


@pytest.mark.parametrize("ticks", range(4))
async def test_a_new_timer_does_not_hide_the_end(ticks: int) -> None:
    store: Any = Empty()
    flows: Any = None
    wake = asyncio.Event()
    timers = Timers(outbox=store, flows=flows, clock=StoreClock(), wake=wake)
    loop = asyncio.create_task(timers.run())
    for _ in range(20):
        await asyncio.sleep(0)
    wake.set()
    for _ in range(ticks):
        await asyncio.sleep(0)
    loop.cancel()
    done, _ = await asyncio.wait((loop,), timeout=0.3)
    loop.cancel()
    assert done, "the cancellation was swallowed"
