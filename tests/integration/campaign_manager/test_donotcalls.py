"""Do-not-call lists: numbers come and go in bulk, durably, and the dialer sees it at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from chassis.outbox import Outbox
from contracts.topics import NUMBER_EVENTS
from target_queue import Numbers, Rule
from target_queue.keys import deferred_key, due_key, outdial_shard

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANN, BOB = "+12125550100", "+442071234567"


async def a_list(api: Client, *numbers: str) -> str:
    """The path of a new list with numbers on it."""
    path = f"/donotcalls/{(await api.post('/donotcalls', {'name': 'no thanks'}))['id']}"
    if numbers:
        await api.post(f"{path}/numbers", {"numbers": list(numbers)})
    return path


async def customer_of(api: Client, path: str) -> str:
    return str((await api.get(path))["customer_id"])


async def on(api: Client, path: str) -> list[str]:
    return [row["number"] for row in await api.every(f"{path}/numbers", page_size=3)]


async def is_blocked(engine: Engine, customer_id: str, number: str) -> bool:
    return await Numbers(Outbox(engine.redis)).is_listed(customer_id, number)


async def test_numbers_are_read_as_people_write_them(stranger: Client) -> None:
    path = await a_list(stranger)
    given = ["+1 (212) 555-0100", "+44 (0)20 7123 4567", "sip:+12125550100@x.example", ANN]
    assert await stranger.post(f"{path}/numbers", {"numbers": given}) == {"added": 2}
    national = {"numbers": ["(212) 555-0199"], "region": "US"}
    assert await stranger.post(f"{path}/numbers", national) == {"added": 1}
    assert await on(stranger, path) == [ANN, "+12125550199", BOB]


async def test_what_was_answered_is_on_kafka_and_holds_in_every_campaign(
    stranger: Client, engine: Engine
) -> None:
    path = await a_list(stranger)
    customer_id, list_id = await customer_of(stranger, path), path.rpartition("/")[2]
    assert not await is_blocked(engine, customer_id, ANN)
    await stranger.post(f"{path}/numbers", {"numbers": [ANN]})
    assert await is_blocked(engine, customer_id, ANN)
    await stranger.put(f"{path}/numbers/remove", {"numbers": [ANN, BOB]})
    assert not await is_blocked(engine, customer_id, ANN)
    told = await engine.heard(NUMBER_EVENTS, f"{customer_id}/{ANN}")
    assert [e.body.number.list_ids for e in told] == [(list_id,), ()]
    assert [e.sequence for e in told] == sorted({e.sequence for e in told})
    assert await engine.heard(NUMBER_EVENTS, f"{customer_id}/{BOB}") == []


async def test_a_number_is_blocked_until_it_is_on_no_list(stranger: Client, engine: Engine) -> None:
    first, second = await a_list(stranger, ANN), await a_list(stranger, ANN)
    customer_id = await customer_of(stranger, first)
    told = await engine.heard(NUMBER_EVENTS, f"{customer_id}/{ANN}")
    assert told[-1].body.number.list_ids == tuple(p.rpartition("/")[2] for p in (first, second))
    await stranger.put(f"{first}/numbers/remove", {"numbers": [ANN]})
    assert await is_blocked(engine, customer_id, ANN)
    await stranger.delete(second)
    assert not await is_blocked(engine, customer_id, ANN)


async def test_a_number_can_be_asked_for(stranger: Client) -> None:
    path = await a_list(stranger, ANN)
    asked = await stranger.get(f"{path}/numbers", number="+1 212 555 0100")
    assert asked == {"result": [{"number": ANN}], "next_page_token": ""}
    assert (await stranger.get(f"{path}/numbers", number=BOB))["result"] == []
    unencoded = await stranger.http.get(
        f"/v1.0{path}/numbers?number={ANN}&token={stranger.params['token']}"
    )
    assert unencoded.json()["result"] == [{"number": ANN}]


async def test_ten_thousand_numbers_go_on_a_list_at_once_and_off_with_it(
    stranger: Client, engine: Engine
) -> None:
    path = await a_list(stranger)
    numbers = [f"+1212{2_000_000 + n}" for n in range(10_000)]
    assert await stranger.post(f"{path}/numbers", {"numbers": numbers}) == {"added": 10_000}
    assert await stranger.post(f"{path}/numbers", {"numbers": numbers}) == {"added": 0}
    rows = await stranger.every(f"{path}/numbers", page_size=100)
    assert [row["number"] for row in rows] == numbers
    customer_id = await customer_of(stranger, path)
    await stranger.delete(path)
    assert not await is_blocked(engine, customer_id, numbers[0])
    assert not await is_blocked(engine, customer_id, numbers[-1])


async def test_numbers_that_come_while_a_list_is_deleted_do_not_stay_blocked(
    stranger: Client, engine: Engine
) -> None:
    path = await a_list(stranger)
    customer_id = await customer_of(stranger, path)
    numbers = [f"+1212300{n:04}" for n in range(40)]
    await asyncio.gather(
        *(stranger.ask("POST", f"{path}/numbers", {"numbers": [one]}) for one in numbers),
        stranger.delete(path),
    )
    for one in numbers:
        assert not await is_blocked(engine, customer_id, one)


async def put_off(api: Client, engine: Engine, number: str) -> tuple[str, str]:
    """An outdial, and a target of it that a dialer has put off until tomorrow: it is listed."""
    outdial = (await api.outdial())["id"]
    row = {"destination_0": {"type": "tel", "target": number}}
    target = str((await api.post(f"/outdials/{outdial}/targets", row))["id"])
    shard, tomorrow = outdial_shard(outdial), {target: (time.time() + 86400) * 1e6}
    await engine.redis.zrem(due_key(shard, outdial), target)
    await engine.redis.zadd(deferred_key(shard, outdial, Rule.DO_NOT_CALL), tomorrow)
    return outdial, target


async def is_put_off(engine: Engine, outdial: str, target: str) -> bool:
    shard = outdial_shard(outdial)
    rule = await engine.redis.zscore(deferred_key(shard, outdial, Rule.DO_NOT_CALL), target)
    due = await engine.redis.zscore(due_key(shard, outdial), target)
    assert (rule is None) == (due is not None and due <= time.time() * 1e6)
    return rule is not None


async def test_who_comes_off_a_list_is_callable_at_once_in_every_outdial(
    stranger: Client, engine: Engine
) -> None:
    path = await a_list(stranger, ANN, BOB)
    ann, ann_again = [await put_off(stranger, engine, ANN) for _ in range(2)]
    bob = await put_off(stranger, engine, BOB)
    await stranger.put(f"{path}/numbers/remove", {"numbers": [ANN]})
    assert not await is_put_off(engine, *ann)
    assert not await is_put_off(engine, *ann_again)
    assert await is_put_off(engine, *bob)
    await stranger.delete(path)
    assert not await is_put_off(engine, *bob)


async def test_a_list_lets_go_of_nobody_elses_targets(
    api: Client, stranger: Client, engine: Engine
) -> None:
    path = await a_list(stranger, ANN)
    theirs = await put_off(api, engine, ANN)
    await stranger.delete(path)
    assert await is_put_off(engine, *theirs)


async def test_changes_of_one_number_at_the_same_time_all_hold(
    stranger: Client, engine: Engine
) -> None:
    paths = [await a_list(stranger) for _ in range(8)]
    customer_id = await customer_of(stranger, paths[0])
    await asyncio.gather(*(stranger.post(f"{p}/numbers", {"numbers": [ANN]}) for p in paths))
    told = await engine.heard(NUMBER_EVENTS, f"{customer_id}/{ANN}")
    assert set(told[-1].body.number.list_ids) == {p.rpartition("/")[2] for p in paths}


async def test_another_customers_list_is_not_there(api: Client, stranger: Client) -> None:
    path = await a_list(api, ANN)
    for method, below in (("GET", ""), ("POST", ""), ("PUT", "/remove")):
        body = {"numbers": [ANN]}
        answer = await stranger.ask(method, f"{path}/numbers{below}", body)
        assert answer.status_code == 404
        assert answer.json()["error"]["reason"] == "DONOTCALL_NOT_FOUND"
    assert (await stranger.ask("DELETE", path)).status_code == 404
    assert await on(api, path) == [ANN]


WRONG: list[tuple[Any, str]] = [
    ({"numbers": []}, "numbers"),
    ({"numbers": [ANN, "tomorrow"]}, "numbers.1"),
    ({"numbers": ["(212) 555-0100"]}, "numbers.0"),
    ({"numbers": ["nobody@"]}, "numbers.0"),
    ({"numbers": [7]}, "numbers.0"),
    ({"numbers": ANN}, "numbers"),
    ({"numbers": [ANN], "region": "ZZ"}, "region"),
    ({"numbers": [ANN] * 10_001}, "numbers"),
    ({}, "numbers"),
]


async def test_a_wrong_number_is_named_and_none_of_the_others_is_taken(
    api: Client, engine: Engine
) -> None:
    path = await a_list(api)
    before = await engine.traces()
    for body, field in WRONG:
        for method, below in (("POST", ""), ("PUT", "/remove")):
            answer = await api.ask(method, f"{path}/numbers{below}", body)
            assert answer.status_code == 400, answer.text
            assert field in [row["field"] for row in answer.json()["error"]["details"]]
    answer = await api.ask("GET", f"{path}/numbers", number="tomorrow")
    assert answer.status_code == 400
    assert await engine.traces() == before


async def test_a_list_is_shown_and_renamed_like_other_resources(api: Client) -> None:
    made = await api.post("/donotcalls", {"name": "asked", "detail": "by mail"})
    path = f"/donotcalls/{made['id']}"
    assert await api.get(path) == made
    assert (await api.put(path, {"name": "told"}))["name"] == "told"
    assert made["id"] in [row["id"] for row in await api.every("/donotcalls")]
    await api.delete(path)
    assert (await api.ask("POST", f"{path}/numbers", {"numbers": [ANN]})).status_code == 404
    assert (await api.ask("GET", f"/donotcalls/{uuid4()}")).status_code == 404
