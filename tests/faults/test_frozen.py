"""R3: dialers freeze at random moments for longer than their leases last, and wake up again.

The sizes are small unless asked for: `--seeds 5 --minutes 2`.
"""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.conftest import SPEED, Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

PER_SECOND = 20
LEASES_S = (11.0, 31.0)
"""From just longer than a heartbeat may be missed to three leases."""

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    with replayed_stack(StackOptions(speed=SPEED, dialers=3, seed=seed)) as stack:
        yield stack


def test_dialers_that_sleep_and_wake_up_ring_nobody_twice(
    campaign: Make, fleet: Stack, asked: Asked
) -> None:
    dialers = [name for name in fleet.programs if name.startswith("dialer")]
    for chosen in asked.seeds:
        chance = random.Random(chosen)
        one = campaign(fleet, round(PER_SECOND * asked.seconds * 0.7), per_second=PER_SECOND)
        one.start()
        one.await_rings(1)
        deadline, sleeps = time.monotonic() + asked.seconds, 0
        while time.monotonic() < deadline and not one.is_over():
            time.sleep(chance.uniform(0.2, 6.0))
            asleep = chance.sample(dialers, chance.choice((1, 1, 2)))
            sleeps += len(asleep)
            freeze(fleet, asleep, chance.uniform(*LEASES_S))
        one.await_end(120 + asked.seconds)
        ledgers = one.verify()
        asked.tell(f"--seed {chosen}: {sleeps} sleeps, {len(ledgers.log.stories)} attempts")


def freeze(fleet: Stack, asleep: list[str], seconds: float) -> None:
    """Let processes sleep for a while, wherever they are."""
    pids = [fleet.children.pid(name) for name in asleep]
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        time.sleep(seconds)
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
