"""A dialer dies at each point of an attempt, again and again; the campaign does not notice."""

import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from campaignctl.stack import Stack, StackOptions

from tests.e2e.test_crash import (
    a_campaign,
    assert_nothing_lost_or_doubled,
    start,
    status_of,
    wait_until,
)
from tests.replaying import replayed_stack

POINTS = (
    "claimed",
    "intent-committed",
    "intent-published",
    "permitted",
    "origination-sent",
    "origination-answered",
    "call-ended",
)
TARGETS = 600


@pytest.fixture(scope="module")
def armed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("failpoints") / "armed"


@pytest.fixture(scope="module")
def fleet(armed: Path) -> Iterator[Stack]:
    settings = {"DIALER_FAILPOINT_FILE": str(armed)}
    with replayed_stack(StackOptions(speed=2, dialers=2, settings=settings)) as stack:
        yield stack


@pytest.fixture
def api(fleet: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fleet.api_url, timeout=30) as client:
        login = {"username": fleet.username, "password": fleet.password}
        token = client.post("/auth/login", json=login).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def the_dead(fleet: Stack) -> list[str]:
    return [name for name in fleet.programs if not fleet.children.is_running(name)]


def test_a_dialer_may_die_at_any_point(api: httpx.Client, fleet: Stack, armed: Path) -> None:
    """Each is started again after a moment; meanwhile its neighbour may begin to take over."""
    outdial, campaign = a_campaign(api, targets=TARGETS, concurrent=40, per_second=30)
    start(api, campaign)
    wait_until(lambda: len(fleet.journal_lines()) > 10)
    for number, point in enumerate(POINTS):
        armed.write_text(f"{point} {3 + number}")
        wait_until(lambda: not armed.exists() and bool(the_dead(fleet)))
        time.sleep(number % 3)
        for name in the_dead(fleet):
            fleet.restart(name)
        if point != POINTS[-1]:
            assert status_of(api, campaign) == "run", "there is something left for the next one"
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=150)
    assert_nothing_lost_or_doubled(api, outdial, campaign, fleet.journal_lines(), TARGETS)
