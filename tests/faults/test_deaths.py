"""R2: dialers are killed again and again, whatever they are at.

Small unless asked for: `--minutes 5 --targets 50000` is R2 in full.
"""

import random
import time
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.conftest import Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

LATENCIES = ("70000", "70500", "71000", "72000", "73900")
"""Answers after up to two seconds, on a network that lives twenty times as fast."""
ENDINGS = tuple(LATENCIES[n % len(LATENCIES)] if n != 25 else "945" for n in range(50))
"""One of fifty is silent: it never calls back."""
CALM_SHARE = 0.70

pytestmark = pytest.mark.timeout(7200)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    settings = {"DIALER_LOG_LEVEL": "warning"}
    with replayed_stack(StackOptions(speed=20, dialers=4, settings=settings, seed=seed)) as stack:
        yield stack


def test_dialers_that_die_every_three_seconds_dial_almost_as_much(
    campaign: Make, fleet: Stack, asked: Asked
) -> None:
    chance, seconds = random.Random(asked.seeds[0]), asked.seconds
    targets = asked.targets or 2000
    how = {"endings": ENDINGS, "per_second": max(20, round(targets / seconds * 1.25))}
    how |= {"concurrent": 400, "dial_timeout_ms": 3000}
    paces = []
    for is_calm in (True, False):
        one = campaign(fleet, targets // 4 if is_calm else targets, **how)
        one.start()
        one.await_rings(1)
        began, killed = time.monotonic(), 0
        while not one.is_over():
            time.sleep(3.0 if not is_calm else 0.5)
            if not is_calm and time.monotonic() - began < seconds:
                name = chance.choice([n for n in fleet.programs if n.startswith("dialer")])
                fleet.kill(name)
                fleet.children.restart(name)
                killed += 1
        paces.append(pace(one))
        one.verify()
        asked.tell(f"{killed} deaths: {paces[-1]:.1f} calls a second")
    assert paces[1] >= CALM_SHARE * paces[0]


def pace(campaign: Campaign) -> float:
    """Return the first attempts per second of a campaign, without its slow end."""
    at = sorted(datetime.fromisoformat(line["at"]) for line in campaign.rings())
    most = at[: round(len(at) * 0.9)]
    return len(most) / (most[-1] - most[0]).total_seconds()
