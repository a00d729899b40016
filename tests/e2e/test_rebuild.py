"""Redis is disposable: flushed in mid-campaign, it is rebuilt from Kafka, and nobody notices."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack, StackOptions, running_stack
from redis import Redis

from tests.faults.campaign import Campaign, until

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
PROGRAMS = ("campaign-manager", "dialer", "flow-runner")


@pytest.fixture(scope="module")
def engine() -> Iterator[Stack]:
    options = StackOptions(speed=4, dialers=2)
    with running_stack(options, announce=lambda _: None) as stack:
        yield stack


@pytest.fixture
def campaign_of(engine: Stack) -> Iterator[Callable[[], Campaign]]:
    """Makes campaigns alike."""
    made: list[Campaign] = []

    def make() -> Campaign:
        made.append(Campaign(engine))
        return made[-1]

    yield make
    for campaign in made:
        campaign.close()


def rebuild(stack: Stack) -> dict[str, Any]:
    ended = subprocess.run(
        [CAMPAIGNCTL, "rebuild", "--json"],
        env={"KAFKA_BOOTSTRAP": stack.kafka_bootstrap, "REDIS_URL": stack.redis_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


def tries(campaign: Campaign) -> list[tuple[str, int]]:
    """What became of each target, and in how many attempts; in the order of their numbers."""
    rows = campaign.every(f"/outdials/{campaign.outdial}/targets")
    return [(row["status"], row["try_count_0"]) for row in sorted(rows, key=lambda r: r["name"])]


def test_a_flushed_redis_is_rebuilt_and_the_campaign_ends_as_if_nothing_had_been(
    engine: Stack, campaign_of: Callable[[], Campaign]
) -> None:
    calm = campaign_of()
    calm.start()
    calm.await_end()
    calm.verify()

    campaign = campaign_of()
    campaign.start()
    campaign.await_rings(40)
    with Redis.from_url(engine.redis_url) as redis:
        redis.flushall()
    for program in PROGRAMS:
        until(lambda p=program: "rebuild" in engine.not_ready(p), 10, f"{program} says so")
    rung = len(campaign.rings())
    answer = httpx.get(f"{engine.api_url}/v1.0/campaigns/{campaign.id}", headers=campaign.headers)
    assert answer.status_code == 503, "nobody may believe that there is no such campaign"
    assert "campaignctl rebuild" in answer.text
    assert len(campaign.rings()) == rung, "nothing rings while nobody knows who was rung"

    assert rebuild(engine)["rebuilt"]
    engine.await_ready(tuple(engine.programs))
    campaign.await_end()
    campaign.verify()
    assert tries(campaign) == tries(calm)
    assert not rebuild(engine)["rebuilt"], "there is nothing to do"


def test_a_redis_that_was_restarted_is_not_trusted(
    engine: Stack, campaign_of: Callable[[], Campaign]
) -> None:
    """It may lack the last second: its log is written to disk once a second."""
    campaign = campaign_of()
    campaign.start()
    campaign.await_rings(40)
    child = engine.redis.child
    assert child is not None
    engine.children.kill(child)
    until(lambda: "redis is away" in engine.not_ready("dialer"), 20, "the dialer says so")
    rung = len(campaign.rings())
    engine.children.restart(child)
    until(lambda: "restarted or replaced" in engine.not_ready("dialer"), 20, "the dialer says so")
    assert len(campaign.rings()) == rung, "nothing rings"
    assert rebuild(engine)["rebuilt"]
    engine.await_ready(tuple(engine.programs))
    campaign.await_end()
    campaign.verify()
