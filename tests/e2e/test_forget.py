"""A number is forgotten in mid-campaign: nothing names it any more, and nothing brings it back."""

import json
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest
from campaignctl.cli import app
from campaignctl.forgetting import Spelling
from campaignctl.history import Range, read
from campaignctl.stack import Stack
from contracts.topics import CATALOGUE, Cleanup
from redis import Redis
from typer.testing import CliRunner

from tests.faults.campaign import Campaign, until

TARGETS = 40
COMPACTED = {topic.name for topic in CATALOGUE if topic.cleanup is Cleanup.COMPACT}


@pytest.fixture
def campaign(engine: Stack) -> Iterator[Campaign]:
    campaign = Campaign(engine, TARGETS, per_second=10)
    yield campaign
    campaign.close()


def ctl(stack: Stack, *words: str) -> tuple[int, dict[str, Any]]:
    """Run a command in this process: seven programs would take as long as all the rest."""
    env = {"KAFKA_BOOTSTRAP": stack.kafka_bootstrap, "REDIS_URL": stack.redis_url}
    ended = CliRunner().invoke(app, [*words, "--json"], env=env)
    assert ended.stdout, (ended.stderr, ended.exception)
    return ended.exit_code, json.loads(ended.stdout)


def left_in_redis(url: str, spelling: Spelling) -> list[bytes]:
    """Every key that names the number, by itself or by anything in it."""
    found = []
    with Redis.from_url(url) as redis:
        for key in redis.scan_iter(count=1000):
            match redis.type(key):
                case b"string":
                    value: Any = redis.get(key)
                case b"zset":
                    value = redis.zrange(key, 0, -1)
                case b"set":
                    value = redis.smembers(key)
                case b"hash":
                    value = redis.hgetall(key)
                case b"list":
                    value = redis.lrange(key, 0, -1)
                case _:
                    value = redis.xrange(key)
            told = repr(value)
            names = spelling.number[1:] in told or spelling.listed[1:] in told
            if spelling.is_in(key) or names:
                found.append(key)
    return found


def left_in_compacted(bootstrap: str, spelling: Spelling) -> list[str]:
    """Keys of the compacted topics whose last message names the number."""
    last: dict[tuple[str, str], bytes | None] = {}
    for record in read(Range(bootstrap=bootstrap)):
        if record.topic in COMPACTED:
            last[record.topic, record.key or ""] = record.value
    return [
        key
        for (_, key), value in last.items()
        if value is not None and (spelling.is_in(value) or spelling.is_in(key.encode()))
    ]


def shown(campaign: Campaign, stack: Stack) -> str:
    """What the API shows of all targets and calls, their stories too."""
    rows = campaign.every(f"/outdials/{campaign.outdial}/targets")
    calls = campaign.every(f"/campaigns/{campaign.id}/campaigncalls")
    return json.dumps([rows, calls])


def test_a_forgotten_number_is_nowhere_and_a_rebuild_does_not_bring_it_back(
    engine: Stack, campaign: Campaign
) -> None:
    campaign.start()
    campaign.await_rings(8)
    path = f"/campaigns/{campaign.id}/campaigncalls"

    def ended() -> list[dict[str, Any]]:
        calls = campaign.every(path)
        return [one for one in calls if one["status"] == "done" and one["result"] == "success"]

    until(lambda: bool(ended()), 30, "an answered call")
    call = ended()[0]
    spelling = Spelling(call["destination"]["target"])
    lists = campaign.made("/donotcalls", {"name": "asked not to be called"})
    campaign.made(f"/donotcalls/{lists}/numbers", {"numbers": [spelling.number]})

    code, told = ctl(engine, "forget", spelling.number)
    assert code == 0
    assert told["forgotten"] is None
    assert {"redis: targets", "target.events", "call.events"} <= {
        trace["where"] for trace in told["traces"]
    }
    assert left_in_redis(engine.redis_url, spelling), "a look changes nothing"

    code, told = ctl(engine, "forget", spelling.number, "--yes")
    assert code == 0, told
    assert told["forgotten"]["targets"] == 1
    assert told["forgotten"]["campaigncalls"] >= 1
    assert spelling.number[1:] not in json.dumps(told)
    kept = left_in_redis(engine.redis_url, spelling)
    assert all(b":number:" in key or b":donotcall:" in key for key in kept), kept
    assert len(kept) == 2, "who asks to be forgotten is not called again"

    assert ctl(engine, "forget", spelling.number, "--yes", "--also-do-not-call")[0] == 0
    assert left_in_redis(engine.redis_url, spelling) == []
    assert left_in_compacted(engine.kafka_bootstrap, spelling) == []
    assert spelling.number[1:] not in shown(campaign, engine)
    url = f"{engine.api_url}/v1.0/timelines/calls/{call['id']}/events"
    answer = httpx.get(url, headers=campaign.headers)
    assert answer.status_code == 409, answer.text

    code, told = ctl(engine, "forget", spelling.number, "--check")
    assert code == 1, "kafka keeps the story of the calls for thirty days"
    assert {trace["goes"] for trace in told["traces"]} == {"by_time", "by_compaction"}
    assert told["gone_by"] > told["at"]

    assert ctl(engine, "rebuild", "--force")[1]["rebuilt"]
    engine.await_ready(tuple(engine.programs))
    assert left_in_redis(engine.redis_url, spelling) == []
    campaign.await_end()
    path_of_call = partial(campaign.every, path)
    until(lambda: {one["status"] for one in path_of_call()} == {"done"}, 30, "all calls")
    assert left_in_redis(engine.redis_url, spelling) == []
    assert ctl(engine, "diff")[1]["differences"] == []
    campaign.verify(is_done=False)


def test_a_number_that_nobody_knows_leaves_no_trace(engine: Stack) -> None:
    code, told = ctl(engine, "forget", "+493012345678", "--check")
    assert (code, told["traces"], told["is_gone"]) == (0, [], True)
