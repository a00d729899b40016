"""The same request sent twice, at once or over a broken link, is done once (R11)."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import httpx
import pytest
from contracts.topics import CAMPAIGN_EVENTS

from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def send(api: Client, path: str, body: Any, key: str) -> httpx.Response:
    return await api.http.post(
        f"/v1.0{path}", json=body, params=api.params, headers={"Idempotency-Key": key}
    )


@pytest.mark.parametrize("path", ["/campaigns", "/outdials", "/outplans", "/queues", "/donotcalls"])
async def test_what_is_sent_again_under_its_key_is_made_once(stranger: Client, path: str) -> None:
    key, before = str(uuid4()), len(await stranger.every(path))
    answers = await asyncio.gather(*(send(stranger, path, {"name": "one"}, key) for _ in range(5)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    later = await send(stranger, path, {"name": "one"}, key)
    assert later.json()["id"] == answers[0].json()["id"]
    assert len(await stranger.every(path)) == before + 1
    other = await send(stranger, path, {"name": "one"}, str(uuid4()))
    assert other.json()["id"] != later.json()["id"]


async def test_a_request_without_a_key_makes_something_new_each_time(stranger: Client) -> None:
    first, second = [await stranger.post("/outdials", {"name": "one"}) for _ in range(2)]
    assert first["id"] != second["id"]


async def test_targets_that_are_sent_again_are_added_once(stranger: Client) -> None:
    outdial = await stranger.outdial()
    path, key = f"/outdials/{outdial['id']}/targets", str(uuid4())
    body = [{"destination_0": {"type": "tel", "target": f"+1555010{n:04}"}} for n in range(30)]
    answers = await asyncio.gather(*(send(stranger, path, body, key) for _ in range(3)))
    ids = [[row["id"] for row in answer.json()["result"]] for answer in answers]
    assert ids[0] == ids[1] == ids[2]
    assert len(await stranger.every(path)) == 30


async def test_customers_do_not_share_keys(
    stranger: Client, api: Client, unique: Callable[[str], str]
) -> None:
    key = unique("key")
    one, other = [await send(a, "/outdials", {"name": "one"}, key) for a in (stranger, api)]
    assert one.json()["id"] != other.json()["id"]


async def test_a_key_of_a_strange_length_is_refused(stranger: Client) -> None:
    for key in ("", "x" * 256):
        answer = await send(stranger, "/outdials", {"name": "one"}, key)
        assert answer.status_code == 400
        assert "Idempotency-Key" in answer.text


async def test_a_campaign_that_is_started_twice_at_once_runs_once(
    stranger: Client, engine: Engine
) -> None:
    campaign = await stranger.campaign()
    path = f"/campaigns/{campaign['id']}/status"
    answers = await asyncio.gather(
        *(stranger.ask("PUT", path, {"status": "run"}) for _ in range(5))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert {answer.json()["status"] for answer in answers} == {"run"}
    told = [one.body for one in await engine.heard(CAMPAIGN_EVENTS, campaign["id"])]
    assert [fact.type for fact in told].count("campaign.status_changed") == 1
