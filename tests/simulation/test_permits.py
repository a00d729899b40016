"""Permits in virtual time: by a clock that is set, and for those who ask again."""

import asyncio
import json
from random import Random
from typing import Any

import pytest
from chassis.outbox import Outbox
from target_queue import Permit, Permits, Word
from target_queue.keys import gate_key, outdial_shard, rate_key

from tests.simulation.clock import BEGIN, run
from tests.simulation.lines import LATENCY_S, Health, StoreLine
from tests.simulation.store import Store

PER_SECOND, RINGS = 20, 80
SECOND_US = 1_000_000
OUTDIAL, CAMPAIGN, RUN = "00-outdial", "campaign", 1
SHARD = outdial_shard(OUTDIAL)
ONCE_S = 2 * LATENCY_S[1]
"""What it takes at most to ask once."""


@pytest.mark.parametrize("set_at_s", [2.0 + n / 200 for n in range(11)])
@pytest.mark.parametrize("by_s", [0.5, 7.0])
def test_a_clock_set_forward_between_a_ring_and_its_answer_makes_no_room(
    set_at_s: float, by_s: float
) -> None:
    """Who rings after that moment counts by the new time, whenever its permit was given."""
    rings = run(rung_while_the_clock_is_set(set_at_s, by_s))
    assert len(rings) == RINGS
    for first in rings:
        assert sum(first <= at < first + SECOND_US for at in rings) <= PER_SECOND


@pytest.mark.parametrize("by_s", [-0.5, -7.0, -3600.0])
def test_a_clock_set_back_holds_the_rings_up_for_half_a_minute_at_most(by_s: float) -> None:
    """It is as if the gateway had not answered those that had a permit by then."""
    rings = run(rung_while_the_clock_is_set(2.0, by_s, is_told_by_store=False))
    assert len(rings) == RINGS
    for first in rings:
        assert sum(first <= at < first + SECOND_US for at in rings) <= PER_SECOND
    undisturbed_s = RINGS / PER_SECOND
    assert rings[-1] - rings[0] < (undisturbed_s + min(30.0, -by_s) + 2.0) * SECOND_US


async def rung_while_the_clock_is_set(
    set_at_s: float, by_s: float, *, is_told_by_store: bool = True
) -> list[int]:
    """Return when they rang, in microseconds of the store's time or of the network's own."""
    loop, rings = asyncio.get_running_loop(), list[int]()

    def now_us() -> int:
        step_s = by_s if loop.time() >= set_at_s else 0.0
        return round((BEGIN.timestamp() + loop.time() + step_s) * SECOND_US)

    permits = asking(Store(now_us))

    async def ring(attempt_id: str) -> None:
        await permits.ask_shared("gateway", PER_SECOND, attempt_id)
        await asyncio.sleep(0.02)
        rings.append(now_us() if is_told_by_store else round(loop.time() * SECOND_US))
        await asyncio.sleep(0.005)
        permits.answered_shared("gateway", attempt_id)

    await asyncio.gather(*(ring(str(n)) for n in range(RINGS)))
    return sorted(rings)


def test_a_permit_is_given_again_for_the_same_instant() -> None:
    async def play() -> None:
        permits, loop = asking(a_store()), asyncio.get_running_loop()
        for attempt_id in ("first", "second"):
            assert (await ask(permits, attempt_id)).word is Word.GO
        before = loop.time()
        assert (await ask(permits, "second")).word is Word.GO
        assert loop.time() - before <= ONCE_S

    run(play())


def test_a_permit_that_counts_no_more_is_given_again_only_when_there_is_room() -> None:
    async def play() -> None:
        store = a_store()
        permits = asking(store)
        assert (await ask(permits, "first")).word is Word.GO
        store.execute("DEL", rate_key(SHARD, CAMPAIGN))
        for n in range(PER_SECOND):
            assert (await ask(permits, str(n))).word is Word.GO
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ask(permits, "first"), 5)

    run(play())


def asking(store: Store) -> Permits:
    line: Any = StoreLine(store, Health(Random(1)))
    return Permits(Outbox(line), asyncio.get_running_loop().time)


def a_store() -> Store:
    """Return one with a campaign that runs and some attempts of it."""
    loop = asyncio.get_running_loop()
    store = Store(lambda: round((BEGIN.timestamp() + loop.time()) * SECOND_US))
    gate = {"is_open": True, "run_number": RUN, "calls_per_second": PER_SECOND}
    store.execute("SET", gate_key(SHARD, CAMPAIGN), f"1||{json.dumps(gate)}")
    for attempt_id in ("first", "second", *map(str, range(PER_SECOND))):
        store.execute("SET", f"{{{SHARD}}}:attempt:{attempt_id}", "1||{}")
    return store


async def ask(permits: Permits, attempt_id: str) -> Permit:
    return await permits.ask(OUTDIAL, CAMPAIGN, RUN, attempt_id, version=1)
