"""Everything campaigns are put together from, and what comes of them; lists and tenants."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from contracts.target import Destination, TargetAdd
from contracts.topics import RESOURCE_EVENTS, TARGET_COMMANDS, TARGET_EVENTS

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NIL = "00000000-0000-0000-0000-000000000000"
NEVER = "9999-01-01 00:00:00.000000"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
A_NUMBER = {"type": "tel", "target": "+15550100011"}


def without_times(shown: Any) -> Any:
    assert TIMESTAMP.fullmatch(shown["tm_create"])
    hidden = ("id", "customer_id", "tm_create", "tm_update", "tm_delete")
    return {name: value for name, value in shown.items() if name not in hidden}


async def test_an_outdial_is_shown_whole(api: Client) -> None:
    made = await api.post("/outdials", {"name": "spring", "detail": "d", "data": {"crm": 7}})
    assert without_times(made) == {
        "name": "spring", "detail": "d", "data": '{"crm": 7}', "campaign_id": NIL,
    }  # fmt: skip
    assert (made["tm_update"], made["tm_delete"]) == (NEVER, NEVER)
    path = f"/outdials/{made['id']}"
    changed = await api.put(path, {"name": "summer"})
    assert (changed["name"], changed["detail"], changed["data"]) == ("summer", "d", '{"crm": 7}')
    assert changed["tm_update"] > changed["tm_create"]
    assert (await api.put(f"{path}/data", {"data": "x", "name": "no"}))["name"] == "summer"
    assert (await api.delete(path))["tm_delete"] != NEVER
    assert (await api.get(path))["tm_delete"] != NEVER
    assert (
        await api.ask("POST", f"{path}/targets", {"destination_0": A_NUMBER})
    ).status_code == 404


async def test_an_outplan_is_shown_whole(api: Client, engine: Engine) -> None:
    body = {
        "name": "two mobiles", "detail": "", "source": {"target": "+15550100001", "name": "Us"},
        "dial_timeout": 30, "try_interval": 600000, "max_try_count_0": 2, "max_try_count_1": 1,
    }  # fmt: skip
    made = await api.post("/outplans", body)
    assert without_times(made) == {
        **body,
        "source": {"type": "tel", "target": "+15550100001", "name": "Us"},
        "max_try_count_2": 0,
        "max_try_count_3": 0,
        "max_try_count_4": 0,
    }
    path = f"/outplans/{made['id']}"
    changed = await api.put(f"{path}/dial_info", {"max_try_count_4": 3, "name": "no"})
    counts = [changed[f"max_try_count_{slot}"] for slot in range(5)]
    assert (counts, changed["name"], changed["dial_timeout"]) == (
        [2, 1, 0, 0, 3],
        "two mobiles",
        30,
    )
    assert (await api.put(path, {"source": None}))["source"] is None
    heard = await engine.heard(RESOURCE_EVENTS, f"outplan/{made['id']}")
    assert [e.body.outplan.max_attempts for e in heard][-1] == (2, 1, 0, 0, 3)
    assert [e.sequence for e in heard] == sorted({e.sequence for e in heard})
    assert heard[0].body.outplan.dial_timeout_ms == 30_000


async def test_a_queue_is_shown_whole(api: Client) -> None:
    tag = await api.post("/tags", {"name": "english"})
    flow = await api.post("/flows", {"name": "music"})
    body = {
        "name": "sales", "detail": "d", "routing_method": "random", "tag_ids": [tag["id"]],
        "wait_flow_id": flow["id"], "wait_timeout": 3600000, "service_timeout": 10000000,
    }  # fmt: skip
    made = await api.post("/queues", body)
    assert without_times(made) == {
        **body,
        "direct_hash": "",
        "wait_queuecall_ids": [],
        "service_queuecall_ids": [],
        "total_incoming_count": 0,
        "total_serviced_count": 0,
        "total_abandoned_count": 0,
    }
    path = f"/queues/{made['id']}"
    assert (await api.put(f"{path}/tag_ids", {"tag_ids": []}))["tag_ids"] == []
    changed = await api.put(f"{path}/routing_method", {"routing_method": "random", "name": "no"})
    assert changed["name"] == "sales"
    assert (await api.put(path, {"wait_timeout": 5}))["service_timeout"] == 10000000
    await api.delete(path)


async def test_a_flow_gives_its_actions_ids(api: Client) -> None:
    own = str(uuid4())
    actions = [{"type": "talk", "option": {"text": "Hi."}}, {"id": own, "type": "hangup"}]
    made = await api.post("/flows", {"name": "greeting", "actions": actions})
    first, second = made["actions"]
    assert first["id"] not in (NIL, own)
    assert second["id"] == own
    assert (made["type"], made["on_complete_flow_id"]) == ("flow", NIL)
    kept = await api.put(f"/flows/{made['id']}", {"detail": "d"})
    assert kept["actions"] == made["actions"]
    await api.delete(f"/flows/{made['id']}")


async def test_a_tag_lives_and_dies(api: Client) -> None:
    made = await api.post("/tags", {"name": "french"})
    assert (await api.put(f"/tags/{made['id']}", {"detail": "d"}))["name"] == "french"
    assert (await api.get(f"/tags/{made['id']}"))["detail"] == "d"
    await api.delete(f"/tags/{made['id']}")
    assert made["id"] not in [row["id"] for row in await api.every("/tags")]


async def test_a_target_is_shown_whole(api: Client, engine: Engine) -> None:
    outdial = await api.outdial()
    path = f"/outdials/{outdial['id']}/targets"
    made = await api.post(
        path,
        {
            "name": "Ada", "detail": "", "data": {"row": 12}, "destination_0": A_NUMBER,
            "destination_1": {}, "destination_2": None,
            "destination_4": {"target": "sip:ada@example.com", "target_name": "Ada"},
        },
    )  # fmt: skip
    (heard,) = await engine.heard(TARGET_EVENTS, made["id"])
    assert heard.body.target.data == '{"row": 12}'
    assert made.pop("tm_create") == made.pop("tm_update")
    identifier = made.pop("id")
    assert made == {
        "outdial_id": outdial["id"],
        "name": "Ada",
        "detail": "",
        "data": '{"row": 12}',
        "status": "idle",
        "destination_0": A_NUMBER,
        "destination_1": None,
        "destination_2": None,
        "destination_3": None,
        "destination_4": {"type": "sip", "target": "sip:ada@example.com", "target_name": "Ada"},
        **{f"try_count_{slot}": 0 for slot in range(5)},
        "tm_delete": NEVER,
    }
    assert (await api.get(f"{path}/{identifier}"))["name"] == "Ada"
    other = await api.outdial()
    answer = await api.ask("GET", f"/outdials/{other['id']}/targets/{identifier}")
    assert (answer.status_code, answer.json()["error"]["reason"]) == (
        404,
        "OUTDIAL_TARGET_NOT_FOUND",
    )
    assert (await api.delete(f"{path}/{identifier}"))["tm_delete"] != NEVER
    assert await api.every(path) == []
    assert (await api.ask("DELETE", f"{path}/{identifier}")).status_code == 404


async def test_a_list_of_targets_is_added_in_its_order(api: Client) -> None:
    outdial = await api.outdial()
    path = f"/outdials/{outdial['id']}/targets"
    rows = [
        {"name": f"t{n}", "destination_0": {"type": "tel", "target": f"+1555{n:07d}"}}
        for n in range(10_000)
    ]
    added = (await api.post(path, rows))["result"]
    assert [row["name"] for row in added] == [row["name"] for row in rows]
    newest = await api.get(path)
    assert [row["name"] for row in newest["result"]] == [f"t{n}" for n in range(9999, 9899, -1)]
    assert newest["next_page_token"] == newest["result"][-1]["tm_create"]
    assert await api.post(path, []) == {"result": []}


async def test_targets_come_by_kafka_too(api: Client, engine: Engine, stranger: Client) -> None:
    outdial = await api.outdial()
    path = f"/outdials/{outdial['id']}/targets"
    foreign = (await stranger.outdial())["customer_id"]

    async def command(name: str, address: str, customer_id: str, target_id: str = "") -> None:
        addition = TargetAdd(
            outdial_id=outdial["id"],
            target_id=target_id or str(uuid4()),
            name=name,
            destinations=(Destination(slot=0, kind="tel", address=address),),
        )
        await engine.tell(TARGET_COMMANDS, addition, subject=outdial["id"], customer_id=customer_id)

    twice = str(uuid4())
    await command("foreign", "+15550100011", foreign)
    await command("no number", "5550100011", outdial["customer_id"])
    await command("no id", "+15550100011", outdial["customer_id"], "7")
    await command("first", "+15550100011", outdial["customer_id"], twice)
    await command("again", "+15550100012", outdial["customer_id"], twice)
    await command("last", "+15550100013", outdial["customer_id"])

    async def all_there() -> bool:
        return "last" in [row["name"] for row in await api.every(path)]

    await engine.until(all_there)
    assert [row["name"] for row in await api.every(path)] == ["last", "first"]


@pytest.mark.parametrize("kind", ["outdials", "outplans", "queues", "flows", "tags", "campaigns"])
async def test_lists_are_newest_first_and_lose_nothing(
    api: Client, stranger: Client, kind: str
) -> None:
    names = [f"n{number}" for number in range(23)]
    made = await asyncio.gather(*(stranger.post(f"/{kind}", {"name": name}) for name in names))
    gone = made[7]
    await stranger.delete(f"/{kind}/{gone['id']}")
    for size in (1, 5, 22, 100):
        rows = await stranger.every(f"/{kind}", page_size=size)
        assert {row["id"] for row in rows} == {row["id"] for row in made} - {gone["id"]}
        assert len(rows) == 22
        times = [row["tm_create"] for row in rows]
        assert times == sorted(times, reverse=True)
    assert not {row["id"] for row in await api.every(f"/{kind}")} & {row["id"] for row in made}


async def test_rows_of_one_instant_are_never_split(engine: Engine, stranger: Client) -> None:
    made = [await stranger.post("/tags", {"name": f"n{number}"}) for number in range(6)]
    customer_id = made[0]["customer_id"]
    key = f"{{definitions}}:index:{customer_id}:tag"
    score = await engine.redis.zscore(key, made[0]["id"]) or 0.0
    for row in made[1:5]:
        await engine.redis.zadd(key, {row["id"]: score})
    page = await stranger.get("/tags", page_size=2)
    assert len(page["result"]) == 6


@pytest.mark.parametrize("size", ["0", "-1", "101", "1000000000000", "x", "²", ""])
async def test_a_page_size_out_of_range_is_the_largest(stranger: Client, size: str) -> None:
    await stranger.post("/tags", {"name": "one"})
    assert len((await stranger.get("/tags", page_size=size))["result"]) == 1


@pytest.mark.parametrize(
    "spelling", ["%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%f", "%Y-%m-%dT%H:%M:%S.%fZ"]
)
async def test_page_tokens_are_read_in_every_spelling(stranger: Client, spelling: str) -> None:
    old = await stranger.post("/tags", {"name": "old"})
    new = await stranger.post("/tags", {"name": "new"})
    at = datetime.strptime(new["tm_create"], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)
    page = await stranger.get("/tags", page_token=at.strftime(spelling))
    assert [row["id"] for row in page["result"]] == [old["id"]]
    empty = await stranger.get("/tags", page_token=page["next_page_token"])
    assert empty == {"result": [], "next_page_token": ""}


async def test_a_stranger_sees_nothing_and_changes_nothing(
    api: Client, engine: Engine, stranger: Client
) -> None:
    queue = await api.post("/queues", {"name": "queue"})
    flow = await api.post("/flows", {"name": "flow"})
    tag = await api.post("/tags", {"name": "tag"})
    key = await api.post("/accesskeys", {"name": "key"})
    campaign = await api.campaign(queue_id=queue["id"])
    targets = f"/outdials/{campaign['outdial_id']}/targets"
    target = await api.post(targets, {"destination_0": A_NUMBER})
    agent = await api.post("/agents", {"username": f"{uuid4()}@example.com", "password": "secret"})
    own = await stranger.campaign()
    paths = [
        f"/queues/{queue['id']}", f"/flows/{flow['id']}", f"/tags/{tag['id']}",
        f"/accesskeys/{key['id']}", f"/campaigns/{campaign['id']}", f"/agents/{agent['id']}",
        f"/outdials/{campaign['outdial_id']}", f"/outplans/{campaign['outplan_id']}",
    ]  # fmt: skip
    asked = [
        *(
            (method, path, {"name": "mine"})
            for path in paths
            for method in ("GET", "PUT", "DELETE")
        ),
        ("PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"}),
        ("PUT", f"/agents/{agent['id']}/password", {"password": "mine"}),
        ("GET", targets, None),
        ("POST", targets, {"destination_0": A_NUMBER}),
        ("GET", f"{targets}/{target['id']}", None),
        ("DELETE", f"{targets}/{target['id']}", None),
    ]
    before = await engine.traces()
    for method, path, body in asked:
        answer = await stranger.ask(method, path, body)
        assert answer.status_code == 404, (method, path, answer.text)
    for field in ("outdial_id", "outplan_id", "queue_id"):
        answer = await stranger.ask("PUT", f"/campaigns/{own['id']}", {field: campaign[field]})
        assert answer.status_code == 400, field
    answer = await stranger.ask(
        "PUT", f"/campaigns/{own['id']}", {"next_campaign_id": campaign["id"]}
    )
    assert answer.status_code == 400
    answer = await stranger.ask("POST", "/queues", {"tag_ids": [tag["id"]]})
    assert answer.status_code == 400
    assert await engine.traces() == before
