"""GET /campaigns/{id}/explain, as the dialer leaves the queue and as nobody has touched it."""

from typing import Any

import pytest
from target_queue.keys import due_key, outdial_shard

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
