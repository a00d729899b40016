"""R1: a dialer is killed at every point of an attempt.

The sizes are small unless asked for: `--seeds 20 --targets 10000` is R1 in full.
"""

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from campaignctl.stack import Stack, StackOptions
from campaignctl.verification import Ledgers
from contracts.call import Outcome

from tests.e2e.test_failpoints import POINTS
from tests.faults.campaign import Campaign, until
from tests.faults.conftest import Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]


RECOVERED_WITHIN_S = 30.0
ANSWERED_WITHIN = timedelta(seconds=1)
"""How long after a ring the gateway's answer is surely there."""
ENDINGS = ("70000",) * 3 + ("486",) * 7
"""Three of ten answer, the others are busy and not called again."""

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failpoints") / "armed"


@pytest.fixture(scope="module")
def fleet(armed: Path, seed: int) -> Iterator[Stack]:
    settings = {"DIALER_FAILPOINT_FILE": str(armed), "DIALER_LOG_LEVEL": "warning"}
    options = StackOptions(speed=20, dialers=2, settings=settings, seed=seed)
    with replayed_stack(options) as stack:
        yield stack


def the_dead(fleet: Stack) -> list[str]:
    return [name for name in fleet.programs if not fleet.children.is_running(name)]


def revive(fleet: Stack) -> None:
    for name in the_dead(fleet):
        fleet.restart(name)


@pytest.fixture(autouse=True)
def whole(fleet: Stack) -> Iterator[None]:
    """Whoever was killed is there again for the next test."""
    yield
    revive(fleet)


@pytest.mark.parametrize("point", POINTS)
def test_a_dialer_may_die_at_any_point_of_any_attempt(
    point: str, campaign: Make, fleet: Stack, armed: Path, asked: Asked
) -> None:
    targets, looked = asked.targets or 400, list[Future[None]]()

    def look_at(one: Campaign, seed: int, killed_at: datetime) -> None:
        ledgers = one.verify()
        recovered_s, lost = recovery_s(ledgers, killed_at), ambiguous(ledgers, killed_at)
        asked.tell(f"{point} --seed {seed}: recovered in {recovered_s:.1f} s, {lost} ambiguous")
        assert recovered_s <= RECOVERED_WITHIN_S

    with ThreadPoolExecutor(1) as looking:  # at a campaign that is over, while the next is dialed
        for chosen in asked.seeds:
            chance = random.Random(f"{point}-{chosen}")
            how = {"per_second": max(200, targets // 20), "concurrent": max(40, targets // 25)}
            one = campaign(fleet, targets, endings=ENDINGS, attempts=1, **how)
            one.start()
            one.await_rings(1)
            times = targets // (200 if point == "claimed" else 8)  # a claim is of many targets
            armed.write_text(f"{point} {1 + chance.randrange(max(1, times))}")
            until(lambda: not armed.exists() and bool(the_dead(fleet)), 60, "the death of a dialer")
            killed_at = datetime.now(UTC)
            if chance.random() < 0.5:  # or the other takes everything over
                time.sleep(chance.uniform(0.0, 8.0))
                revive(fleet)
            one.await_end(within_s=60 + targets / 50)
            revive(fleet)
            for earlier in looked:
                earlier.result()
            looked = [looking.submit(look_at, one, chosen, killed_at)]
    for last in looked:
        last.result()


def recovery_s(ledgers: Ledgers, killed_at: datetime) -> float:
    """Return after how many seconds all that had begun before the death was over."""
    ends = [
        story.settlements[0].at
        for story in ledgers.log.stories.values()
        if story.intended_at and story.intended_at < killed_at and story.settlements
    ]
    return max((end - killed_at).total_seconds() for end in ends)


def ambiguous(ledgers: Ledgers, killed_at: datetime) -> int:
    """Return how many attempts are ambiguous: none of whose ring the network had answered."""
    count = 0
    for story in ledgers.log.stories.values():
        if story.outcome is Outcome.AMBIGUOUS:
            rung_at = ledgers.rung_at.get(story.attempt_id)
            assert rung_at is None or rung_at > killed_at - ANSWERED_WITHIN, story.attempt_id
            count += 1
    return count
