"""R9: dialers are replaced one by one, and come and go, while a campaign runs: no call is cut."""

from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.conftest import SPEED, Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

DIALERS = ("dialer", "dialer-2", "dialer-3")
PAUSE_S = 2.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    options = StackOptions(speed=SPEED, dialers=len(DIALERS), seed=seed)
    with replayed_stack(options) as stack:
        yield stack


def test_a_rolling_restart_cuts_no_call_and_hardly_pauses(
    campaign: Make, fleet: Stack, asked: Asked
) -> None:
    one = campaign(fleet, 1000, endings=("70101",))
    one.start()
    one.await_rings(40)
    for dialer in DIALERS:
        fleet.children.stop(dialer)
        fleet.restart(dialer)
    assert not one.is_over(), "there was something to dial all the time"
    assert_nobody_noticed(one, asked)


def test_dialers_come_and_go_and_cut_no_call(campaign: Make, fleet: Stack, asked: Asked) -> None:
    for dialer in DIALERS[1:]:
        fleet.children.stop(dialer)
    one = campaign(fleet, 1000, endings=("70101",))
    one.start()
    one.await_rings(40)
    for dialer in DIALERS[1:]:
        fleet.restart(dialer)
    for dialer in DIALERS[:2]:
        fleet.children.stop(dialer)
    assert not one.is_over(), "there was something to dial all the time"
    assert_nobody_noticed(one, asked)


def assert_nobody_noticed(one: Campaign, asked: Asked) -> None:
    one.await_end(90)
    one.verify()
    rings = one.rings()
    assert set(Counter(line["number"] for line in rings).values()) == {1}, "all heard it to its end"
    at = sorted(datetime.fromisoformat(line["at"]) for line in rings)
    pause_s = max(after - before for before, after in pairwise(at)).total_seconds()
    asked.tell(f"the longest pause was {pause_s:.2f} s")
    assert pause_s < PAUSE_S
