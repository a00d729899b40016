"""R13: many campaigns started, stopped, edited and killed under, by chance, for as long as asked.

`--minutes 60 --seed N` is a soak; without it, half a minute.
"""

import random
import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign, until
from tests.faults.conftest import Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

CAMPAIGNS = 12
TARGETS = 250
MOVES = ("start", "start", "start", "stop", "edit", "kill")

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    with replayed_stack(StackOptions(speed=10, dialers=3, seed=seed)) as stack:
        yield stack


def test_whatever_is_done_to_many_campaigns_every_promise_holds(
    campaign: Make, fleet: Stack, asked: Asked
) -> None:
    chance = random.Random(asked.seeds[0])
    dialers = [name for name in fleet.programs if name.startswith("dialer")]
    made = [
        campaign(fleet, asked.targets or TARGETS, per_second=chance.randint(2, 40))
        for _ in range(CAMPAIGNS)
    ]
    moves, deadline = 0, time.monotonic() + asked.seconds
    while time.monotonic() < deadline:
        move_one(chance, chance.choice(made), fleet, dialers)
        moves += 1
        time.sleep(chance.expovariate(1.0))
    for one in made:
        one.change(f"/campaigns/{one.id}", {"calls_per_second": 40})
        until(partial(is_done_or_starts, one), 300, "the end of all")
    for one in made:
        one.verify()
    asked.tell(f"{moves} moves on {CAMPAIGNS} campaigns, all promises kept")


def move_one(chance: random.Random, one: Campaign, fleet: Stack, dialers: list[str]) -> None:
    """Do something to a campaign, or to who dials it."""
    match chance.choice(MOVES):
        case "start":
            one.start()
        case "stop":
            one.stop()
        case "edit":
            edits = {"calls_per_second": chance.randint(2, 60)}
            one.change(f"/campaigns/{one.id}", edits)
        case _:
            dialer = chance.choice(dialers)
            fleet.kill(dialer)
            fleet.restart(dialer)


def is_done_or_starts(one: Campaign) -> bool:
    """Whether every target is done; a campaign that has been stopped goes on."""
    targets = one.every(f"/outdials/{one.outdial}/targets")
    if all(target["status"] == "done" for target in targets):
        return one.is_over()
    if one.is_over():
        one.start()
    return False
