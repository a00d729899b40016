"""`campaignctl explain` takes the id of a campaign or of a target, and says why in words."""

import io
from typing import Any

import httpx
import pytest
from campaignctl.client import ApiRefused, Client
from campaignctl.explain import explained_by, show, show_target
from rich.console import Console

CAMPAIGN = {
    "status": "run",
    "obstacle": "do_not_call",
    "why": "rules put all its targets off",
    "waiting": [
        {"obstacle": "do_not_call", "count": 7, "until": "2026-01-15 13:00:00"},
        {"obstacle": "calling_hours", "count": 5, "until": "2026-01-16 08:00:00"},
    ],
    "open_calls": 1,
    "max_concurrent_calls": 10,
    "calls_in_last_second": 0,
    "calls_per_second": 5,
    "calls_allowed_by_agents": None,
}
TARGET = {
    "target_id": "t",
    "status": "idle",
    "obstacle": "calling_hours",
    "why": "calling hours put it off until 2026-01-16T08:00:00",
    "campaigns": [{"campaign_id": "c", "status": "run", "why": "it dials"}],
}
KNOWN = {"/v1.0/campaigns/c/explain": CAMPAIGN, "/v1.0/targets/t/explain": TARGET}


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/v1.0/campaigns/broken/explain":
        return httpx.Response(500)
    known = KNOWN.get(request.url.path)
    return httpx.Response(200, json=known) if known else httpx.Response(404)


@pytest.mark.parametrize(("id_", "explained"), [("c", CAMPAIGN), ("t", TARGET)])
def test_an_id_is_a_campaigns_or_a_targets(id_: str, explained: Any) -> None:
    with Client("http://api", transport=httpx.MockTransport(answer)) as client:
        assert explained_by(client, id_) == explained


@pytest.mark.parametrize(("id_", "status"), [("nobody", 404), ("broken", 500)])
def test_what_cannot_be_explained_is_refused(id_: str, status: int) -> None:
    with (
        Client("http://api", transport=httpx.MockTransport(answer)) as client,
        pytest.raises(ApiRefused) as refusal,
    ):
        explained_by(client, id_)
    assert refusal.value.status_code == status


def printed(show: Any, explained: Any) -> str:
    written = io.StringIO()
    show(Console(file=written, width=200), explained)
    return written.getvalue()


def test_each_rule_has_a_line() -> None:
    text = printed(show, CAMPAIGN)
    assert "7" in text
    assert "are on a do-not-call list" in text
    assert "wait for their calling hours" in text


def test_a_target_says_its_own_first_and_then_what_its_campaigns_do() -> None:
    own, campaigns = printed(show_target, TARGET).splitlines()
    assert own == "idle: calling hours put it off until 2026-01-16T08:00:00"
    assert campaigns == "campaign c (run): it dials"
