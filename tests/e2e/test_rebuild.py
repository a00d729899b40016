"""Redis is disposable: flushed in mid-campaign, it is rebuilt from Kafka, and nobody notices."""

import json
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from campaignctl.stack import Stack, StackOptions
from redis import Redis

from tests.faults.campaign import Campaign, until
from tests.replaying import replayed_stack

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
PROGRAMS = ("campaign-manager", "dialer", "flow-runner")


@pytest.fixture(scope="module")
def engine() -> Iterator[Stack]:
    options = StackOptions(speed=4, dialers=2)
    with replayed_stack(options) as stack:
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


def rebuild(stack: Stack, *options: str) -> dict[str, Any]:
    ended = subprocess.run(
        [CAMPAIGNCTL, "rebuild", "--json", *options],
        env={"KAFKA_BOOTSTRAP": stack.kafka_bootstrap, "REDIS_URL": stack.redis_url},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told


PASSING = re.compile(
    r":(outbox|published|relay|alive|epoch|now|rate|dialing|call|rebuild|workers|deferred|pause)$"
    r"|:(attempt|run):|^\{(flow)-\d\}:due$"
)
"""Keys that say nothing that lasts: of relays, of the last second, of what is over."""


def kept(redis_url: str) -> dict[str, Any]:
    """What Redis holds that must outlive it; versions of records are left out."""
    found: dict[str, Any] = {}
    with Redis.from_url(redis_url) as redis:
        for raw in redis.scan_iter(count=1000):
            key = raw.decode()
            if PASSING.search(key):
                continue
            match redis.type(raw):
                case b"string":
                    body = (redis.get(raw) or b"").split(b"|", 2)[2]
                    found[key] = json.loads(body) if body[:1] in b"{[" else body
                case b"zset":
                    found[key] = sorted(redis.zrange(raw, 0, -1, withscores=True))
                case b"set":
                    found[key] = redis.smembers(raw)
                case _:
                    found[key] = redis.xrange(raw)
    return {key: _unordered(value) for key, value in found.items() if value != []}


def _unordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: one for name, one in value.items() if name not in {"seen", "sequence"}}
    return (
        sorted(value) if isinstance(value, list) and value and isinstance(value[0], str) else value
    )


def says_rebuild(stack: Stack, program: str) -> bool:
    return "campaignctl rebuild" in stack.not_ready(program)


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
        until(partial(says_rebuild, engine, program), 10, f"{program} says so")
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
    time.sleep(1)  # a permit given just before may be used for half a second
    rung = len(campaign.rings())
    engine.children.restart(child)
    until(lambda: "restarted or replaced" in engine.not_ready("dialer"), 20, "the dialer says so")
    assert len(campaign.rings()) == rung, "nothing rings"
    assert rebuild(engine)["rebuilt"]
    engine.await_ready(tuple(engine.programs))
    campaign.await_end()
    campaign.verify()


def test_what_is_rebuilt_is_what_was_there(
    engine: Stack, campaign_of: Callable[[], Campaign]
) -> None:
    """Key by key, of everything that a customer can make, change and delete."""
    campaign, deleted = campaign_of(), campaign_of()
    campaign.start()
    campaign.await_end()
    tag = campaign.made("/tags", {"name": "english"})
    queue = campaign.made("/queues", {"name": "queue", "tag_ids": [tag]})
    campaign.made("/flows", {"name": "flow", "actions": []})
    for path, body in (
        ("/agents", {"username": f"ann-{campaign.id}", "password": "a-password", "tag_ids": [tag]}),
        ("/agents", {"username": f"bob-{campaign.id}", "password": "a-password"}),
        ("/accesskeys", {"name": "key", "expire": 86400}),
        ("/accesskeys", {"name": "another", "expire": 86400}),
        ("/donotcalls", {"name": "list"}),
        ("/donotcalls", {"name": "another"}),
    ):
        made = campaign.made(path, body)
        if body.get("name") == "another" or str(body.get("username")).startswith("bob"):
            campaign.delete(f"{path}/{made}")
        elif path == "/donotcalls":
            campaign.made(f"{path}/{made}/numbers", {"numbers": ["+12125550100", "+12125550101"]})
            campaign.change(f"{path}/{made}/numbers/remove", {"numbers": ["+12125550101"]})
    campaign.change(f"/campaigns/{deleted.id}", {"queue_id": queue})
    deleted_target = deleted.every(f"/outdials/{deleted.outdial}/targets")[0]["id"]
    deleted.delete(f"/outdials/{deleted.outdial}/targets/{deleted_target}")
    call = campaign.every(f"/campaigns/{campaign.id}/campaigncalls")[0]["id"]
    campaign.delete(f"/campaigncalls/{call}")
    deleted.delete(f"/campaigns/{deleted.id}")

    before = kept(engine.redis_url)
    assert rebuild(engine, "--force")["rebuilt"]
    engine.await_ready(tuple(engine.programs))
    after = kept(engine.redis_url)
    assert before.keys() - after.keys() == set()
    assert after.keys() - before.keys() == set()
    assert {key: after[key] for key in before if after[key] != before[key]} == {}
