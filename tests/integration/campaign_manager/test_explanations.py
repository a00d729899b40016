"""GET /campaigns/{id}/explain and /targets/{id}/explain, as the dialer leaves the queue."""

import json
from typing import Any
from uuid import uuid4

import pytest
from target_queue import Rule
from target_queue.keys import (
    attempt_key,
    claims_key,
    deferred_key,
    due_key,
    live_key,
    new_attempt_id,
    outdial_shard,
)

from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_stopped_campaign_says_how_to_start_it(api: Client) -> None:
    campaign = await api.campaign()
    explained = await api.get(f"/campaigns/{campaign['id']}/explain")
    assert explained["obstacle"] == "not_started"
    assert "PUT" in explained["why"]


async def test_targets_are_counted_by_what_they_wait_for(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    outdial = campaign["outdial_id"]
    already = sum(row["count"] for row in (await explained(api, campaign))["waiting"])
    rows = [{"destination_0": {"type": "tel", "target": f"+1555000{n}"}} for n in range(3)]
    added = (await api.post(f"/outdials/{outdial}/targets", rows))["result"]
    await api.put(f"/campaigns/{campaign['id']}/status", {"status": "run"})
    seconds, _ = await engine.redis.time()
    due = (seconds + 3600) * 1_000_000
    await engine.redis.zadd(due_key(outdial_shard(outdial), outdial), {added[0]["id"]: due})
    told = await explained(api, campaign)
    assert told["obstacle"] == "none"
    assert {row["obstacle"]: row["count"] for row in told["waiting"]} == {
        "none": 2 + already,
        "retry_due_later": 1,
    }
    assert told["next_due_at"] == told["waiting"][1]["until"]


async def test_a_stranger_is_told_nothing(api: Client) -> None:
    answer = await api.http.get("/v1.0/campaigns/183c0d5c-691e-42f3-af2b-9bffc2740f83/explain")
    assert answer.status_code == 401


async def explained(api: Client, campaign: Any) -> Any:
    return await api.get(f"/campaigns/{campaign['id']}/explain")


async def a_target(api: Client, outdial: str) -> str:
    row = {"destination_0": {"type": "tel", "target": "+15550001"}}
    return str((await api.post(f"/outdials/{outdial}/targets", row))["id"])


async def test_a_target_says_what_it_waits_for(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    outdial, shard = campaign["outdial_id"], outdial_shard(campaign["outdial_id"])
    target = await a_target(api, outdial)
    told = await api.get(f"/targets/{target}/explain")
    assert (told["outdial_id"], told["status"]) == (outdial, "idle")
    assert (told["obstacle"], told["until"]) == ("not_started", None)
    assert [one["campaign_id"] for one in told["campaigns"]] == [campaign["id"]]
    seconds, _ = await engine.redis.time()
    tomorrow = {target: (seconds + 86400) * 1_000_000}
    await engine.redis.zadd(due_key(shard, outdial), tomorrow)
    assert (await api.get(f"/targets/{target}/explain"))["obstacle"] == "retry_due_later"
    await engine.redis.zrem(due_key(shard, outdial), target)
    await engine.redis.zadd(deferred_key(shard, outdial, Rule.DO_NOT_CALL), tomorrow)
    told = await api.get(f"/targets/{target}/explain")
    assert told["obstacle"] == "do_not_call"
    assert told["until"] is not None
    await api.delete(f"/outdials/{outdial}/targets/{target}")
    assert (await api.get(f"/targets/{target}/explain"))["obstacle"] == "deleted"


async def test_a_target_that_is_claimed_or_called_says_so(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    await api.put(f"/campaigns/{campaign['id']}/status", {"status": "run"})
    outdial, shard = campaign["outdial_id"], outdial_shard(campaign["outdial_id"])
    target = await a_target(api, outdial)
    seconds, micros = await engine.redis.time()
    now = seconds * 1_000_000 + micros
    await engine.redis.zrem(due_key(shard, outdial), target)
    await engine.redis.zadd(claims_key(shard, outdial), {target: now + 15_000_000})
    assert (await api.get(f"/targets/{target}/explain"))["obstacle"] == "claimed"
    attempt = new_attempt_id(shard)
    body = json.dumps({"attempt": {"target_id": target}})
    await engine.redis.set(attempt_key(attempt), f"1|test|{body}")
    await engine.redis.zadd(live_key(shard, campaign["id"]), {attempt: now})
    told = await api.get(f"/targets/{target}/explain")
    assert (told["obstacle"], told["attempt_id"]) == ("calls_under_way", attempt)
    assert told["attempt_since"] is not None


async def test_a_target_of_another_customer_is_not_there(api: Client, stranger: Client) -> None:
    target = await a_target(api, (await api.outdial())["id"])
    assert (await api.get(f"/targets/{target}/explain"))["obstacle"] == "no_campaign"
    for asked in (target, str(uuid4())):
        assert (await stranger.ask("GET", f"/targets/{asked}/explain")).status_code == 404
