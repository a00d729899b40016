"""R8: dialers whose clocks are wrong, and jump, while a campaign runs: the store's time counts."""

import subprocess
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from campaignctl.infrastructure import Ground, require_program
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.conftest import SPEED
from tests.replaying import replayed_stack

Make = Callable[..., Campaign]

WRONG = {"dialer": "+2h", "dialer-2": "-2h", "dialer-3": "+30s"}
JUMPS = ("-2h", "+2h", "+0", "-30s", "+400d")
SILENT_S = 5.0

pytestmark = pytest.mark.timeout(400)


class Clocks:
    """The clock of each dialer, as it believes it to be."""

    def __init__(self, folder: Path, faketime: str) -> None:
        self._folder = folder
        told = subprocess.run(
            [faketime, "-f", "+0", "env"], capture_output=True, text=True, check=True
        )
        lines = dict(line.split("=", 1) for line in told.stdout.splitlines() if "=" in line)
        self._library = lines["LD_PRELOAD"]
        for dialer, wrong in WRONG.items():
            self.set(dialer, wrong)

    def set(self, dialer: str, wrong: str) -> None:
        """Let a clock jump to so much before or after the time; the dialer sees it in a second."""
        (self._folder / dialer).write_text(wrong)

    @property
    def settings(self) -> dict[str, Mapping[str, str]]:
        return {
            dialer: {
                "LD_PRELOAD": self._library,
                "FAKETIME_TIMESTAMP_FILE": str(self._folder / dialer),
                "FAKETIME_CACHE_DURATION": "1",
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
            for dialer in WRONG
        }


@pytest.fixture(scope="module")
def clocks(ground: Ground, tmp_path_factory: pytest.TempPathFactory) -> Clocks:
    faketime = require_program("faketime", ground.supervisor, ground.announce)
    return Clocks(tmp_path_factory.mktemp("clocks"), faketime)


@pytest.fixture(scope="module")
def fleet(clocks: Clocks, seed: int) -> Iterator[Stack]:
    options = StackOptions(speed=SPEED, dialers=len(WRONG), seed=seed, own_settings=clocks.settings)
    with replayed_stack(options) as stack:
        yield stack


def test_clocks_that_are_hours_apart_and_jump_break_no_promise(
    campaign: Make, fleet: Stack, clocks: Clocks
) -> None:
    one = campaign(fleet, 300)
    one.start()
    for place, jump in enumerate(JUMPS):
        one.await_rings(40 * (place + 1))
        for dialer in ("dialer", "dialer-2"):
            clocks.set(dialer, jump)
    one.await_end(120)
    one.verify()
    pauses = one.pauses_s()
    assert pauses, "somebody was tried again"
    assert 1.0 <= min(pauses) <= max(pauses) < 60.0, "after the interval, by the time that it is"


def test_hours_are_those_of_the_store_and_not_of_a_dialer(
    campaign: Make, fleet: Stack, clocks: Clocks
) -> None:
    """The window begins in an hour: by the clock of a dialer that is ahead it has begun."""
    for dialer, wrong in WRONG.items():
        clocks.set(dialer, wrong)
    soon = datetime.now(UTC) + timedelta(hours=1)
    later = soon + timedelta(hours=2)
    if later.day != soon.day:
        pytest.skip("the window would pass midnight")
    days = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    window = {"days": days, "from": f"{soon:%H:%M}", "to": f"{later:%H:%M}"}
    rules = {"calling_hours": [window], "calling_zone": "UTC"}
    one = campaign(fleet, 60, fields=rules)
    one.start()
    one.assert_silent(SILENT_S)
    one.change(f"/campaigns/{one.id}", {"calling_hours": None})
    one.await_end(120)
    one.verify()
