"""The life of a campaign: stopped and taken up, chained, paced, without calls, by digits."""

import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack

TALK = {"type": "talk", "option": {"text": "Hello.", "language": "en-US"}}


class Api:
    """The REST API, as an administrator."""

    def __init__(self, client: httpx.Client) -> None:
        self._client = client

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(method, f"/v1.0{path}", json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def campaign(self, numbers: list[str], **members: Any) -> tuple[str, str]:
        """Return the ids of an outdial with these numbers and of a campaign over it."""
        outdial = self("POST", "/outdials", {"name": "life"})["id"]
        rows = [{"destination_0": {"type": "tel", "target": number}} for number in numbers]
        self("POST", f"/outdials/{outdial}/targets", rows)
        outplan = self(
            "POST",
            "/outplans",
            {"name": "life", "dial_timeout": 20000, "try_interval": 500, "max_try_count_0": 1},
        )["id"]
        body = {
            "name": f"life {uuid.uuid4()}",
            "type": "call",
            "end_handle": "stop",
            "actions": [TALK],
            "outplan_id": outplan,
            "outdial_id": outdial,
            "max_concurrent_calls": 50,
            "calls_per_second": 50,
        }
        return outdial, self("POST", "/campaigns", body | members)["id"]

    def status(self, campaign: str) -> str:
        return str(self("GET", f"/campaigns/{campaign}")["status"])


@pytest.fixture
def api(engine: Stack) -> Iterator[Api]:
    with httpx.Client(base_url=engine.api_url, timeout=30) as client:
        login = {"username": engine.username, "password": engine.password}
        token = client.post("/auth/login", json=login).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield Api(client)


def numbers(count: int, ending: str) -> list[str]:
    """Return numbers nobody else has, all of which do the same."""
    block = uuid.uuid4().int % 10_000
    return [f"+1{block:04d}{place:03d}{ending}" for place in range(count)]


def wait_until(condition: Any, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.05)


def done_calls(api: Api, campaign: str) -> list[Any]:
    """The campaign's calls, once all are done: the last may be told a moment after the stop."""

    def calls() -> list[Any]:
        found: list[Any] = api("GET", f"/campaigns/{campaign}/campaigncalls")["result"]
        return found

    wait_until(lambda: {call["status"] for call in calls()} == {"done"})
    return calls()


def test_nothing_rings_after_an_acknowledged_stop_and_a_new_run_takes_up_the_rest(
    api: Api, engine: Stack
) -> None:
    mine = numbers(60, "70101")
    _, campaign = api.campaign(mine, calls_per_second=15)

    def rung() -> list[dict[str, Any]]:
        return [line for line in engine.journal_lines() if line["number"] in set(mine)]

    assert api("PUT", f"/campaigns/{campaign}", {"status": "run"})["status"] == "run"
    wait_until(lambda: len(rung()) >= 10)
    assert api("PUT", f"/campaigns/{campaign}/status", {"status": "stop"})["status"] == "stopping"
    acknowledged = datetime.now(UTC)
    wait_until(lambda: api.status(campaign) == "stop")
    late = [
        line
        for line in rung()
        if (datetime.fromisoformat(line["at"]) - acknowledged).total_seconds() > 1.0
    ]
    assert not late, "promise P3: no origination later than 1 s after an acknowledged stop"
    assert len(rung()) < len(mine)
    api("PUT", f"/campaigns/{campaign}/status", {"status": "running"})
    wait_until(lambda: api.status(campaign) == "stop")
    assert sorted(line["number"] for line in rung()) == sorted(mine), "each has rung exactly once"


def test_calls_per_second_hold_in_any_rolling_second(api: Api, engine: Stack) -> None:
    mine = set(numbers(40, "70000"))
    _, campaign = api.campaign(sorted(mine), calls_per_second=10)
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: api.status(campaign) == "stop")
    at = sorted(
        datetime.fromisoformat(line["at"]).timestamp()
        for line in engine.journal_lines()
        if line["number"] in mine
    )
    assert len(at) == len(mine)
    assert at[-1] - at[0] >= 2.5, "forty calls at ten a second take three seconds"


def test_the_next_campaign_is_started_once_when_this_one_is_exhausted(api: Api) -> None:
    second_outdial, second = api.campaign(numbers(3, "70000"))
    _, first = api.campaign(numbers(3, "486"), next_campaign_id=second)
    api("PUT", f"/campaigns/{first}/status", {"status": "run"})
    wait_until(lambda: api.status(first) == "stop")

    def done() -> bool:
        rows = api("GET", f"/outdials/{second_outdial}/targets")["result"]
        return {row["status"] for row in rows} == {"done"} and api.status(second) == "stop"

    wait_until(done)
    assert len(api("GET", f"/campaigns/{second}/campaigncalls")["result"]) == 3


def test_a_flow_campaign_runs_its_flow_without_a_call(api: Api, engine: Stack) -> None:
    mine = numbers(3, "70000")
    outdial, campaign = api.campaign(mine, type="flow")
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: api.status(campaign) == "stop")
    rows = api("GET", f"/outdials/{outdial}/targets")["result"]
    assert {row["status"] for row in rows} == {"done"}
    calls = done_calls(api, campaign)
    assert {call["reference_type"] for call in calls} == {"flow"}
    assert {call["result"] for call in calls} == {"success"}
    assert not [line for line in engine.journal_lines() if line["number"] in set(mine)]


def test_digits_choose_the_branch(api: Api, engine: Stack) -> None:
    """The party presses 2 after the prompt; the branch for 2 hangs up, the other talks on."""
    asked, chosen, other = (str(uuid.uuid4()) for _ in range(3))
    actions = [
        TALK,
        {"id": asked, "type": "digits_receive", "option": {"duration": 8000, "length": 1}},
        {
            "type": "branch",
            "option": {"target_ids": {"2": chosen}, "default_target_id": other},
        },
        {"id": other, "type": "sleep", "option": {"duration": 60000}},
        {"id": chosen, "type": "hangup"},
    ]
    _, campaign = api.campaign(numbers(1, "972"), actions=actions)
    began = time.monotonic()
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: api.status(campaign) == "stop")
    assert time.monotonic() - began < 25, "the other branch would have slept for a minute"
    (call,) = done_calls(api, campaign)
    assert call["result"] == "success"
