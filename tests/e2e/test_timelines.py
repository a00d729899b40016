"""Timelines of a dialed campaign: as pages, and as a stream while it happens."""

import json
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack

from tests.faults.campaign import Campaign, until


@pytest.fixture
def campaign(engine: Stack) -> Iterator[Campaign]:
    one = Campaign(engine, 4, endings=("70001", "486"))
    yield one
    one.close()


@pytest.fixture
def api(engine: Stack, campaign: Campaign) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=f"{engine.api_url}/v1.0", headers=campaign.headers, timeout=30
    ) as client:
        yield client


def names(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [row["event_type"] for row in answer.json()["result"]]


def test_what_happened_is_told_newest_first_and_page_by_page(
    api: httpx.Client, campaign: Campaign
) -> None:
    campaign.start()
    campaign.await_end()
    assert names(api.get(f"/timelines/campaigns/{campaign.id}/events")) == [
        "campaign_status_stop", "dialing_exhausted", "campaign_status_run", "campaign_created",
    ]  # fmt: skip
    listed = f"/campaigns/{campaign.id}/campaigncalls"
    until(lambda: {one["status"] for one in campaign.every(listed)} == {"done"}, 10, "all calls")
    calls = campaign.every(listed)
    call = next(call for call in calls if call["result"] == "success")
    path = f"/timelines/calls/{call['id']}/events"
    told = names(api.get(path))
    assert told[-1] == "call_dialing"
    assert set(told) >= {"call_progressing", "call_play", "activeflow_created", "call_hangup"}
    first = api.get(path, params={"page_size": 5}).json()
    rest = api.get(path, params={"page_token": first["next_page_token"]})
    assert [row["event_type"] for row in first["result"]] + names(rest) == told
    everything = names(api.get("/aggregated-events", params={"call_id": call["id"]}))
    assert set(everything) == {*told, "outdialtarget_updated"}
    target = call["outdial_target_id"]
    assert names(api.get(f"/timelines/outdialtargets/{target}/events"))[-1] == (
        "outdialtarget_created"
    )


def test_a_stream_tells_what_was_and_what_comes_and_goes_on_where_it_broke(
    api: httpx.Client, campaign: Campaign
) -> None:
    path = f"/timelines/campaigns/{campaign.id}/events"
    heard: list[dict[str, Any]] = []
    ids: list[str] = []

    def listen(last_id: str, enough: int) -> None:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": last_id}
        with api.stream("GET", path, headers=headers) as answer:
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    ids.append(line[4:])
                if line.startswith("data: "):
                    heard.append(json.loads(line[6:]))
                if len(heard) >= enough:
                    return

    listening = threading.Thread(target=listen, args=("", 2))
    listening.start()
    until(lambda: len(heard) == 1, 20, "what was told before")
    campaign.start()
    listening.join(20)
    campaign.await_end()
    listen(ids[-1], 4)
    assert [one["event_type"] for one in heard] == [
        "campaign_created", "campaign_status_run", "dialing_exhausted", "campaign_status_stop",
    ]  # fmt: skip
    assert heard[1]["data"]["id"] == campaign.id


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/timelines/conferences/00000000-0000-0000-0000-000000000001/events", 400),
        ("/timelines/campaigns/00000000-0000-0000-0000-000000000001/events", 404),
        ("/timelines/calls/00000000-0000-0000-0000-000000000001/events", 404),
        ("/timelines/targets/00000000-0000-0000-0000-000000000001/events", 404),
        ("/timelines/calls/me/events", 400),
        ("/aggregated-events", 400),
    ],
)
def test_what_is_not_there_is_refused(api: httpx.Client, path: str, status: int) -> None:
    assert api.get(path).status_code == status


def test_a_page_token_that_is_none_is_refused(api: httpx.Client, campaign: Campaign) -> None:
    answer = api.get(f"/timelines/campaigns/{campaign.id}/events", params={"page_token": "x"})
    assert answer.status_code == 400
    assert "page_token" in answer.text
