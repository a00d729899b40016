"""The log of a running engine: what it says of any moment is what the API answered then."""

import json
import random
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaignctl.history import Range, read
from campaignctl.log import LogRecord
from campaignctl.replaying.states import TOPICS, AsOf
from campaignctl.stack import Stack
from redis import Redis

from tests.faults.campaign import Campaign

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
MOMENTS = 100
COMMITTED_WITHIN = timedelta(seconds=1)
"""How long after it was decided a change can be read, at the most."""
ASKEW = timedelta(seconds=0.5)
"""How far Redis's clock, as a busy program knows it, may be from ours."""


@dataclass
class Answer:
    """What the API said, and between which instants."""

    began: datetime
    ended: datetime
    campaign: dict[str, Any]
    targets: list[dict[str, Any]]


@pytest.fixture
def campaign(engine: Stack) -> Iterator[Campaign]:
    one = Campaign(engine, 60, per_second=20)
    yield one
    one.close()


def ask(client: Campaign, get: Callable[[str], Any]) -> Answer:
    began = datetime.now(UTC)
    shown = get(f"/campaigns/{client.id}")
    targets = get(f"/outdials/{client.outdial}/targets?page_size=100")["result"]
    return Answer(began, datetime.now(UTC), shown, targets)


def run(engine: Stack, *words: str) -> tuple[int, dict[str, Any]]:
    ended = subprocess.run(
        [CAMPAIGNCTL, *words, "--json"],
        env={"KAFKA_BOOTSTRAP": engine.kafka_bootstrap, "REDIS_URL": engine.redis_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stdout, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout.splitlines()[-1])
    return ended.returncode, told


def test_the_state_of_a_hundred_moments_is_what_the_api_answered_then(
    campaign: Campaign, engine: Stack
) -> None:
    answers: list[Answer] = []
    is_over, chance = threading.Event(), random.Random(4)

    def ask_now_and_then() -> None:
        with httpx.Client(base_url=engine.api_url, headers=campaign.headers) as client:
            while not is_over.is_set() or len(answers) < MOMENTS:
                answers.append(ask(campaign, lambda path: client.get(f"/v1.0{path}").json()))
                is_over.wait(chance.uniform(0.02, 0.12))

    asking = threading.Thread(target=ask_now_and_then)
    asking.start()
    campaign.start()
    campaign.await_end()
    is_over.set()
    asking.join()
    assert len(answers) >= MOMENTS
    assert len({json.dumps(one.targets) for one in answers}) > 10, "it moved meanwhile"
    wrong = unmatched(chance.sample(answers, MOMENTS), engine, campaign)
    assert not wrong, f"{len(wrong)} answers are no state of the log; the first: {wrong[0]}"


def unmatched(answers: list[Answer], engine: Stack, campaign: Campaign) -> list[Answer]:
    """Return the answers of which something never was so, close to when they were given.

    What is decided first may be committed second, and the API reads one target after the other: so
    each target is held against its own states, and the campaign against its own.
    """
    which = Range(bootstrap=engine.kafka_bootstrap, topics=TOPICS)
    records = sorted(read(which), key=decided_at)
    state = AsOf(None)
    missing = [{"campaign": one.campaign, **by_id(one.targets)} for one in answers]
    for number, record in enumerate(records):
        state.take(record)
        now = decided_at(record)
        following = records[number + 1 :]
        until = decided_at(following[0]) if following else datetime.max.replace(tzinfo=UTC)
        close = [
            left
            for one, left in zip(answers, missing, strict=True)
            if left and one.began - COMMITTED_WITHIN < until and now <= one.ended + ASKEW
        ]
        if close:
            shown = {"campaign": state.campaign(campaign.id)}
            shown |= by_id(state.targets(campaign.outdial))
            for left in close:
                for name in [name for name in left if left[name] == shown.get(name)]:
                    del left[name]
    return [one for one, left in zip(answers, missing, strict=True) if left]


def by_id(targets: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {target["id"]: target for target in targets}


def decided_at(record: LogRecord) -> datetime:
    return datetime.fromisoformat(json.loads(record.value or b"{}")["time"])


def test_redis_holds_what_the_log_tells_and_what_it_lacks_is_named(
    campaign: Campaign, engine: Stack
) -> None:
    campaign.start()
    campaign.await_rings(5)
    code, told = run(engine, "diff")
    assert (code, told["differences"]) == (0, []), "beside a busy engine"
    campaign.await_end()
    with Redis.from_url(engine.redis_url) as redis:
        target = campaign.every(f"/outdials/{campaign.outdial}/targets")[0]["id"]
        (key,) = redis.scan_iter(match=f"*:target:{target}", count=1000)
        kept = redis.get(key) or b""
        redis.delete(key)
        code, told = run(engine, "diff")
        redis.set(key, kept)
    assert code == 1
    assert [one["key"] for one in told["differences"]] == [key.decode()]


def test_a_call_is_found_replayed_and_told_from_a_live_kafka(
    campaign: Campaign, engine: Stack
) -> None:
    campaign.start()
    campaign.await_end()
    call = campaign.every(f"/campaigns/{campaign.id}/campaigncalls")[0]
    code, told = run(engine, "replay", "--attempt", call["id"])
    assert (code, told["differences"]) == (0, [])
    assert told["decisions"]["settlement"] == 1
    by_flow = run(engine, "trace", call["activeflow_id"])[1]["messages"]
    assert by_flow == run(engine, "trace", call["id"])[1]["messages"]
    assert {row["type"] for row in by_flow} >= {"call.dialing", "call.settled", "target.changed"}
    assert run(engine, "events", "--call", call["id"], "--count")[1]["call.settled"] == 1
    last = list(read(Range(bootstrap=engine.kafka_bootstrap)))[-1]
    assert run(engine, "events", "--tail", "1")[1] == json.loads(last.value or b"")
