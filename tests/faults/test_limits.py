"""O6 and O7 on four dialers: the rate is never passed and always used, and a stop is a stop.

`--minutes 10` is the full length.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import pairwise
from statistics import median

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign, until
from tests.faults.conftest import Asked
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

CAP = 20
"""So few that the two cores which everything shares are not full: then answers take longer."""
MINUTE_S, SHORTEST_S = 60.0, 90.0
USED = 0.99
"""Of any rolling minute; lost is what the answers take, as a permit counts for a second after."""
STOPPED_WITHIN_S = 1.0
WARM_S = 30.0
"""For so long a Kafka that has just been started compiles itself, on the cores that all share."""

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    settings = {f"{name}_LOG_LEVEL": "warning" for name in ("DIALER", "FLOW_RUNNER")}
    options = StackOptions(speed=20, dialers=4, settings=settings, seed=seed)
    with replayed_stack(options) as stack:
        yield stack


def test_the_rate_is_never_passed_and_always_used_until_the_stop(
    campaign: Make, fleet: Stack, asked: Asked
) -> None:
    how = {"endings": ("960",), "per_second": CAP, "concurrent": 400}
    before = campaign(fleet, round(CAP * WARM_S), **how)
    before.start()
    before.await_end(within_s=2 * WARM_S + 30)
    seconds = max(asked.seconds, SHORTEST_S)
    one = campaign(fleet, round(CAP * seconds * 1.1) + CAP * 5, **how)
    one.start()
    one.await_rings(round(CAP * seconds), within_s=seconds * 1.5 + 30)
    stopped_at = one.stop()
    until(one.is_over, 30, "the stop")
    at = sorted(datetime.fromisoformat(line["at"]) for line in one.rings())
    late = (at[-1] - stopped_at).total_seconds()
    shares = used(at[: round(CAP * seconds)])
    worst = max(after - before for before, after in pairwise(at)).total_seconds()
    asked.tell(
        f"{len(at)} calls, {min(shares):.2%} of the rate used in the worst minute, "
        f"{median(shares):.2%} in the median, longest pause {worst:.3f} s, "
        f"last call {late:+.3f} s after the stop was acknowledged"
    )
    assert late <= STOPPED_WITHIN_S
    one.verify(is_done=False)
    assert min(shares) >= USED


def used(at: list[datetime]) -> list[float]:
    """Return which part of the rate is used in the minute after each ring."""
    shares: list[float] = []
    end = 0
    for place, begin in enumerate(at):
        while end < len(at) and (at[end] - begin).total_seconds() <= MINUTE_S:
            end += 1
        if end == len(at):
            break
        shares.append((end - place - 1) / (MINUTE_S * CAP))
    return shares
