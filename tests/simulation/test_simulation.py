"""The dialing core in a world of its own, where all goes wrong that can: thousands of times."""

import asyncio
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from contracts.campaign import CampaignStatus
from dialer.usecases import recovery
from redis.exceptions import ConnectionError as RedisAway
from target_queue import Roll, Workers

from tests.simulation.clock import run
from tests.simulation.store import Store
from tests.simulation.story import Broken, play
from tests.simulation.world import World, drawn_from

ROOT = Path(__file__).parents[2]
SEEDS = 160
"""Of each of two processes: always the same ones, so that a change is judged by itself."""
OTHER_SEEDS = 2500
FORGETFUL_GATEWAY = 5
"""Close to a story that tells it."""


def test_no_promise_is_broken_whatever_goes_wrong() -> None:
    assert_none_broken(first=0, count=SEEDS)


@pytest.mark.faults
def test_nor_by_seeds_that_nobody_has_played_before(seed: int) -> None:
    """`--seed N` plays the same again."""
    assert_none_broken(first=(seed + 1) * 2 * OTHER_SEEDS, count=OTHER_SEEDS)


def assert_none_broken(first: int, count: int) -> None:
    playing = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.simulation", str(first + part * count), str(count)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(2)
    ]
    told = [process.communicate(timeout=3600)[0] for process in playing]
    assert [process.returncode for process in playing] == [0, 0], "\n".join(told)


@pytest.mark.parametrize("chosen", [3, 22, 120])
def test_the_same_seed_tells_the_same_story(chosen: int) -> None:
    assert play(chosen) == play(chosen)


def test_and_so_does_another_process() -> None:
    """There, sets of texts have another order."""

    def told(hash_seed: str) -> str:
        command = [sys.executable, "-m", "tests.simulation", "1"]
        env = {**os.environ, "PYTHONHASHSEED": hash_seed}
        return subprocess.check_output(command, cwd=ROOT, env=env, text=True).splitlines()[0]

    assert told("1") == told("2")


def broken_within(seeds: range) -> str:
    for chosen in seeds:
        try:
            play(chosen, is_hard=True)
        except Broken as promise:
            return str(promise)
    return ""


@pytest.mark.parametrize(
    ("line", "instead", "first"),
    [
        ("if has ~= version and not is_given then return 'lost' end", "", 10),
        ("if not is_open then return 'closed' end", "", 50),
        ("local wait = room_in()", "local wait = 0", 0),
        ("if by and by ~= id then return 'in_call', 0 end", "", 220),
        ("elseif version ~= expected then", "elseif false then", 10),
    ],
    ids=["permit without fence", "permit of a closed gate", "permit without rate",
         "number without hold", "commit without version"],
)  # fmt: skip
def test_a_script_that_forgets_what_it_must_look_at_is_found(
    line: str, instead: str, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`first` is close to a story that finds it: all of them are as good, and take longer."""
    run = Store.run

    def forgetful(self: Store, text: str, keys: Any, args: Any) -> Any:
        return run(self, text.replace(line, instead), keys, args)

    monkeypatch.setattr(Store, "run", forgetful)
    assert broken_within(range(first, first + 500))


def test_a_worker_that_dies_before_its_first_word_is_missed_all_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    beat = Workers.beat

    async def mute(self: Workers, shard: str, worker: str, **how: Any) -> Roll:
        if worker == "dialer-0":
            raise RedisAway
        return await beat(self, shard, worker, **how)

    async def story() -> tuple[int, int]:
        world = World(chance, trouble=0.0, mischief=0.0)
        await world.load(3, per_second=5, interval_ms=1000, attempts=1)
        first, other = await world.worker("dialer-0"), await world.worker("dialer-1")
        world.give_to(first)
        await world.change(CampaignStatus.RUN, is_new_run=True)
        while not world.log.attempts():
            await asyncio.sleep(0.001)
        first.kill()
        world.give_to(other)
        await asyncio.sleep(60.0)
        return len(world.log.attempts()), len(list(world.log.settled()))

    monkeypatch.setattr(Workers, "beat", mute)
    chance = random.Random(1)
    with drawn_from(chance):
        assert run(story()) == (3, 3)


def test_a_gateway_that_was_started_anew_is_no_witness(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has never seen what rang before: whoever believes it there rings twice."""
    monkeypatch.setattr(recovery, "is_certain", lambda live, _: live.held.call.is_undialed)
    assert "rang twice" in broken_within(range(FORGETFUL_GATEWAY, FORGETFUL_GATEWAY + 300))
