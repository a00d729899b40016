"""Three dialers: one is killed, frozen or stopped in mid-campaign, and the others go on."""

import os
import signal
import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack, StackOptions

from tests.e2e.test_crash import (
    TARGETS,
    a_campaign,
    assert_nothing_lost_or_doubled,
    start,
    status_of,
    wait_until,
)
from tests.e2e.test_life import Api, numbers
from tests.replaying import replayed_stack

CAP = 30
ENDS_WITHIN_S = 10.0
"""Half of what one step of an end may take at most."""


@pytest.fixture(scope="module")
def fleet() -> Iterator[Stack]:
    with replayed_stack(StackOptions(speed=2, dialers=3)) as stack:
        yield stack


@pytest.fixture
def api(fleet: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=fleet.api_url, timeout=30) as client:
        login = {"username": fleet.username, "password": fleet.password}
        token = client.post("/auth/login", json=login).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


@pytest.fixture
def whole(fleet: Stack) -> Iterator[None]:
    """Whoever was ended is there again for the next test."""
    yield
    for name in fleet.programs:
        if not fleet.children.is_running(name):
            fleet.restart(name)


def busiest(fleet: Stack, before: int) -> str:
    """Return the dialer that dials the campaign: its application is its name and number."""
    number = str(fleet.journal_lines()[before:][-1]["application"]).rpartition("-")[2]
    return "dialer" if number == "1" else f"dialer-{number}"


def under_way(fleet: Stack, api: httpx.Client) -> tuple[str, str, int, str]:
    """Begin a campaign; return outdial, campaign, the journal's length before, and who dials."""
    before = len(fleet.journal_lines())
    outdial, campaign = a_campaign(api)
    start(api, campaign)
    wait_until(lambda: len(fleet.journal_lines()) - before > TARGETS // 4)
    return outdial, campaign, before, busiest(fleet, before)


def instants(lines: list[dict[str, Any]]) -> list[datetime]:
    return sorted(datetime.fromisoformat(line["at"]) for line in lines)


def assert_the_cap_held(lines: list[dict[str, Any]]) -> None:
    """No rolling second of the network's own journal sees more than the campaign may make."""
    at = instants(lines)
    second = timedelta(seconds=1)
    for place, first in enumerate(at):
        assert sum(1 for other in at[place:] if other < first + second) <= CAP


@pytest.mark.usefixtures("whole")
def test_what_a_killed_dialer_leaves_is_taken_up_by_the_others(
    api: httpx.Client, fleet: Stack
) -> None:
    outdial, campaign, before, dialer = under_way(fleet, api)
    fleet.kill(dialer)
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=120)
    lines = fleet.journal_lines()[before:]
    assert_nothing_lost_or_doubled(api, outdial, campaign, lines)
    assert_the_cap_held(lines)
    assert len({line["application"] for line in lines}) > 1, "another has gone on"


@pytest.mark.usefixtures("whole")
def test_a_frozen_dialer_that_wakes_up_rings_nobody_twice(api: httpx.Client, fleet: Stack) -> None:
    outdial, campaign, before, dialer = under_way(fleet, api)
    os.kill(fleet.children.pid(dialer), signal.SIGSTOP)
    try:
        time.sleep(15)  # longer than its heartbeat, its membership and its leases last
    finally:
        os.kill(fleet.children.pid(dialer), signal.SIGCONT)
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=120)
    lines = fleet.journal_lines()[before:]
    assert_nothing_lost_or_doubled(api, outdial, campaign, lines)
    assert_the_cap_held(lines)


@pytest.mark.usefixtures("whole")
def test_a_dialer_that_is_told_to_stop_hands_its_calls_over_and_cuts_none(
    api: httpx.Client, fleet: Stack
) -> None:
    outdial, campaign, before, dialer = under_way(fleet, api)
    began = time.monotonic()
    fleet.children.stop(dialer)
    assert time.monotonic() - began < ENDS_WITHIN_S, "it waits for nobody"
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=120)
    lines = fleet.journal_lines()[before:]
    assert_nothing_lost_or_doubled(api, outdial, campaign, lines)
    assert_the_cap_held(lines)
    rung = Counter(line["number"] for line in lines if not line["number"].endswith("486"))
    assert set(rung.values()) == {1}, "whoever answers has heard it to the end, and is left alone"


def test_a_pause_that_the_gateway_asks_one_dialer_for_is_kept_by_all(
    api: httpx.Client, fleet: Stack
) -> None:
    """One number of ten campaigns is refused with Retry-After 2 while several dialers dial."""
    before, client = len(fleet.journal_lines()), Api(api)
    (refused,) = numbers(1, "982")
    parts = [numbers(30, "70000") for _ in range(10)]
    parts[0].insert(10, refused)
    campaigns = [client.campaign(part, calls_per_second=8)[1] for part in parts]
    for campaign in campaigns[1:]:
        start(api, campaign)
    wait_until(lambda: len({line["application"] for line in fleet.journal_lines()[before:]}) > 1)
    start(api, campaigns[0])
    wait_until(lambda: {client.status(id_) for id_ in campaigns} == {"stop"}, within_s=60)
    lines = fleet.journal_lines()[before:]
    rung = Counter(line["number"] for line in lines)
    assert rung == Counter(number for part in parts for number in part)
    at = instants(lines)
    gap, ended = max((later - earlier, later) for earlier, later in pairwise(at))
    assert gap > timedelta(seconds=1.8), "what was under way when it was asked for may yet ring"
    for is_before in (True, False):
        half = {li["application"] for li in lines if (instants([li])[0] < ended) is is_before}
        assert len(half) > 1, "several dialers were dialing"
