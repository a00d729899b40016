"""VoIPBIN's campaign tutorial, word for word, against ours: host and ids apart.

Each request goes out as the tutorial prints it; each answer must have the fields and formats that
are shown there. Four processes, real Kafka, real Redis.
"""

import re
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack

from tests.faults.campaign import until

NIL = "00000000-0000-0000-0000-000000000000"
NEVER = "9999-01-01 00:00:00.000000"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
PRINTED_FIELDS = {
    "id", "customer_id", "type", "name", "detail", "status", "service_level", "end_handle",
    "actions", "outplan_id", "outdial_id", "queue_id", "next_campaign_id", "tm_create", "tm_update",
    "tm_delete",
}  # fmt: skip
GREETING = (
    "Hello. This is outbound campaign's test calling. Please wait until the agent answer the call. "
    "Thank you."
)


class Curl:
    """Sends what the tutorial prints: the token in the query, a JSON body."""

    def __init__(self, client: httpx.Client, token: str) -> None:
        self._client = client
        self._token = token

    def __call__(self, method: str, path: str, body: Any = None) -> Any:
        answer = self._client.request(
            method, f"/v1.0{path}", params={"token": self._token}, json=body
        )
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def curl(engine: Stack) -> Iterator[Curl]:
    with httpx.Client(base_url=engine.api_url, timeout=20) as client:
        login = client.post(
            "/auth/login", json={"username": engine.username, "password": engine.password}
        )
        assert login.status_code == 200
        assert login.json()["username"] == engine.username
        yield Curl(client, login.json()["token"])


@pytest.fixture(scope="module")
def made(curl: Curl) -> dict[str, str]:
    """What the tutorial asks for before it begins: outdial with a target, outplan, queue."""
    outdial = curl(
        "POST", "/outdials",
        {"campaign_id": NIL, "name": "test outdial", "detail": "outdial for test use.", "data": ""},
    )  # fmt: skip
    curl(
        "POST", f"/outdials/{outdial['id']}/targets",
        {
            "name": "test destination 0",
            "detail": "test detatination 0 detail",
            "data": "test data",
            "destination_0": {"type": "tel", "target": "+155501070000"},
        },
    )  # fmt: skip
    outplan = curl(
        "POST", "/outplans",
        {
            "name": "test outplan",
            "detail": "outplan for test use.",
            "source": {"type": "tel", "target": "+15559876543"},
            "dial_timeout": 30000,
            "try_interval": 600000,
            "max_try_count_0": 5,
            "max_try_count_1": 5,
            "max_try_count_2": 5,
            "max_try_count_3": 5,
            "max_try_count_4": 5,
        },
    )  # fmt: skip
    queue = curl(
        "POST", "/queues",
        {"name": "test queue", "detail": "test queue detail", "routing_method": "random",
         "tag_ids": [], "wait_timeout": 3600000, "service_timeout": 10000000},
    )  # fmt: skip
    return {"outdial": outdial["id"], "outplan": outplan["id"], "queue": queue["id"]}


@pytest.fixture(scope="module")
def campaign(curl: Curl, made: dict[str, str]) -> Any:
    """The tutorial's third step: create a new campaign."""
    return curl(
        "POST", "/campaigns",
        {
            "name": "test campaign",
            "detail": "test campaign detail",
            "type": "call",
            "service_level": 100,
            "end_handle": "stop",
            "actions": [{"type": "talk", "option": {"text": GREETING, "language": "en-US"}}],
            "outplan_id": made["outplan"],
            "outdial_id": made["outdial"],
            "queue_id": made["queue"],
        },
    )  # fmt: skip


def assert_as_printed(campaign: Any, made: dict[str, str]) -> None:
    assert set(campaign) >= PRINTED_FIELDS
    assert UUID.fullmatch(campaign["id"])
    assert campaign["actions"] == [
        {
            "id": NIL,
            "next_id": NIL,
            "type": "talk",
            "option": {"text": GREETING, "language": "en-US"},
        }
    ]
    assert campaign["outplan_id"] == made["outplan"]
    assert campaign["outdial_id"] == made["outdial"]
    assert campaign["queue_id"] == made["queue"]
    assert campaign["next_campaign_id"] == NIL
    assert (campaign["name"], campaign["type"]) == ("test campaign", "call")
    assert (campaign["service_level"], campaign["end_handle"]) == (100, "stop")
    assert TIMESTAMP.fullmatch(campaign["tm_create"])
    assert campaign["tm_delete"] == NEVER


def test_a_new_campaign_is_answered_as_printed(campaign: Any, made: dict[str, str]) -> None:
    assert_as_printed(campaign, made)
    assert (campaign["status"], campaign["tm_update"]) == ("stop", NEVER)


def test_the_list_of_campaigns_is_answered_as_printed(
    curl: Curl, campaign: Any, made: dict[str, str]
) -> None:
    page = curl("GET", "/campaigns")
    assert set(page) == {"result", "next_page_token"}
    assert TIMESTAMP.fullmatch(page["next_page_token"])
    assert page["next_page_token"] == page["result"][-1]["tm_create"]
    (listed,) = [row for row in page["result"] if row["id"] == campaign["id"]]
    assert_as_printed(listed, made)


def test_the_detail_of_a_campaign_is_answered_as_printed(
    curl: Curl, campaign: Any, made: dict[str, str]
) -> None:
    assert_as_printed(curl("GET", f"/campaigns/{campaign['id']}"), made)


def test_a_started_campaign_calls_its_target_and_connects_an_agent(
    curl: Curl, campaign: Any, made: dict[str, str], engine: Stack
) -> None:
    agent = curl(
        "POST", "/agents",
        {
            "username": f"agent-{campaign['id'][:8]}@example.com",
            "password": "a password for tests",
            "name": "Ann",
            "detail": "",
            "ring_method": "ringall",
            "permission": 16,
            "tag_ids": [],
            "addresses": [{"type": "tel", "target": "+155501070003"}],
        },
    )  # fmt: skip
    curl("PUT", f"/agents/{agent['id']}/status", {"status": "available"})
    started = curl("PUT", f"/campaigns/{campaign['id']}", {"status": "running"})
    assert (started["status"], started["name"]) == ("run", "test campaign")
    ended = wait_for_stop(curl, campaign["id"])
    assert ended["actions"] == campaign["actions"], "starting must not blank anything"
    (target,) = curl("GET", f"/outdials/{made['outdial']}/targets")["result"]
    assert (target["status"], target["try_count_0"]) == ("done", 1)

    def attempts() -> Any:
        return curl("GET", f"/campaigns/{campaign['id']}/campaigncalls")["result"]

    until(lambda: {one["status"] for one in attempts()} == {"done"}, 10, "the attempt's end")
    (attempt,) = attempts()
    assert attempt["result"] == "success"
    assert attempt["destination"]["target"] == "+155501070000"
    numbers = [line["number"] for line in engine.journal_lines()]
    assert numbers.count("+155501070000") == 1
    assert numbers.count("+155501070003") == 1, "the agent was called once"


def wait_for_stop(curl: Curl, campaign_id: str, within_s: float = 60) -> Any:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        campaign = curl("GET", f"/campaigns/{campaign_id}")
        if campaign["status"] == "stop":
            return campaign
        time.sleep(0.1)
    raise AssertionError(f"the campaign has not stopped within {within_s} s")
