"""kill -9 in mid-campaign, of a service or of what it stands on: nothing lost, nothing twice."""

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack

TARGETS = 120


@pytest.fixture
def api(engine: Stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=engine.api_url, timeout=30) as client:
        token = client.post(
            "/auth/login", json={"username": engine.username, "password": engine.password}
        ).json()["token"]
        client.headers["Authorization"] = f"Bearer {token}"
        yield client


def made(api: httpx.Client, path: str, body: Any) -> Any:
    answer = api.post(f"/v1.0{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def a_campaign(
    api: httpx.Client, *, targets: int = TARGETS, concurrent: int = 20, per_second: int = 30
) -> tuple[str, str]:
    """Three of four targets answer, some after a moment; the others are busy, twice."""
    outdial = made(api, "/outdials", {"name": "crash"})["id"]
    endings = ("70101", "70000", "486", "70002")
    made(
        api,
        f"/outdials/{outdial}/targets",
        [
            {
                "name": f"t{number}",
                "destination_0": {
                    "type": "tel",
                    "target": f"+1555{number:04d}{endings[number % len(endings)]}",
                },
            }
            for number in range(targets)
        ],
    )
    outplan = made(
        api,
        "/outplans",
        {"name": "crash", "dial_timeout": 10000, "try_interval": 1000, "max_try_count_0": 2},
    )["id"]
    campaign = made(
        api,
        "/campaigns",
        {
            "name": f"crash {uuid.uuid4()}",
            "type": "call",
            "end_handle": "stop",
            "actions": [{"type": "talk", "option": {"text": "Hello.", "language": "en-US"}}],
            "outplan_id": outplan,
            "outdial_id": outdial,
            "max_concurrent_calls": concurrent,
            "calls_per_second": per_second,
        },
    )["id"]
    return outdial, campaign


@pytest.mark.parametrize(
    "program", ["dialer", "flow-runner", "campaign-manager", "carrier-simulator"]
)
def test_a_killed_service_loses_nothing_and_rings_nobody_twice(
    program: str, api: httpx.Client, engine: Stack
) -> None:
    before = len(engine.journal_lines())
    outdial, campaign = a_campaign(api)
    start(api, campaign)
    wait_until(lambda: len(engine.journal_lines()) - before > TARGETS // 4)
    engine.kill(program)
    time.sleep(0.5)  # calls ring, end and are answered while nobody listens
    engine.restart(program)
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=90)
    assert_nothing_lost_or_doubled(api, outdial, campaign, engine.journal_lines()[before:])


def test_an_outage_of_kafka_pauses_the_campaign_and_is_told_by_the_probes(
    api: httpx.Client, engine: Stack
) -> None:
    before = len(engine.journal_lines())
    outdial, campaign = a_campaign(api)
    start(api, campaign)
    wait_until(lambda: len(engine.journal_lines()) - before > TARGETS // 4)
    child = engine.kafka.child
    assert child is not None
    engine.children.kill(child)
    wait_until(lambda: "kafka is away" in engine.not_ready("dialer"), within_s=20)
    rung = len(engine.journal_lines())
    time.sleep(2)  # long enough for a dialer that does not care to go on dialing
    assert len(engine.journal_lines()) == rung, "nothing rings without a durable intent"
    engine.children.restart(child)
    engine.await_ready(tuple(engine.programs))
    wait_until(lambda: status_of(api, campaign) == "stop", within_s=90)
    assert_nothing_lost_or_doubled(api, outdial, campaign, engine.journal_lines()[before:])


def start(api: httpx.Client, campaign: str) -> None:
    assert api.put(f"/v1.0/campaigns/{campaign}/status", json={"status": "run"}).is_success


def assert_nothing_lost_or_doubled(
    api: httpx.Client,
    outdial: str,
    campaign: str,
    lines: list[dict[str, Any]],
    count: int = TARGETS,
) -> None:
    """Three ledgers agree: the network's journal, the targets, the campaigncalls."""
    twice = {id_: n for id_, n in Counter(line["channel_id"] for line in lines).items() if n > 1}
    assert not twice, "an attempt was originated twice"
    targets = every(api, f"/outdials/{outdial}/targets")
    assert Counter(target["status"] for target in targets) == {"done": count}
    rings = Counter(line["number"] for line in lines)
    for target in targets:
        number = target["destination_0"]["target"]
        assert rings[number] <= target["try_count_0"] <= 2
    wait_until(lambda: {call["status"] for call in calls_of(api, campaign)} == {"done"})
    known = {call["id"] for call in calls_of(api, campaign)}
    assert {line["channel_id"] for line in lines} <= known


def calls_of(api: httpx.Client, campaign: str) -> list[Any]:
    return every(api, f"/campaigns/{campaign}/campaigncalls")


def status_of(api: httpx.Client, campaign: str) -> str:
    try:
        answer = api.get(f"/v1.0/campaigns/{campaign}")
    except httpx.TransportError:
        return "away"
    return str(answer.json().get("status", "away"))


def every(api: httpx.Client, path: str) -> list[Any]:
    """Return all rows of a list, page by page."""
    rows: list[Any] = []
    token = ""
    while True:
        page = api.get(f"/v1.0{path}", params={"page_token": token} if token else {}).json()
        if not page["result"]:
            return rows
        rows += page["result"]
        token = page["next_page_token"]


def wait_until(condition: Any, within_s: float = 30) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "it has not happened in time"
        time.sleep(0.05)
