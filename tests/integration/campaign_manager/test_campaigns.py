"""Campaigns over HTTP: from an empty customer to one that runs, stops and hands over."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from contracts.campaign import CampaignStart, CampaignStop
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.topics import CAMPAIGN_COMMANDS, CAMPAIGN_EVENTS, DIALING_EVENTS

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NIL = "00000000-0000-0000-0000-000000000000"
NEVER = "9999-01-01 00:00:00.000000"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
NOBODY = str(uuid4())


async def status_of(api: Client, campaign: Any) -> str:
    return str((await api.get(f"/campaigns/{campaign['id']}"))["status"])


async def told(engine: Engine, campaign: Any) -> list[Any]:
    return [envelope.body for envelope in await engine.heard(CAMPAIGN_EVENTS, campaign["id"])]


async def customer_of(api: Client) -> str:
    return str((await api.outdial())["customer_id"])


async def run_comes_to(engine: Engine, campaign: Any, fact: Any) -> None:
    await engine.tell(
        DIALING_EVENTS, fact, subject=campaign["id"], customer_id=campaign["customer_id"]
    )


async def test_a_campaign_is_shown_with_all_its_fields(api: Client) -> None:
    outdial, outplan = await api.outdial(), await api.outplan()
    queue = await api.post("/queues", {"name": "queue"})
    actions = [{"type": "talk", "option": {"text": "Hello.", "language": "en-US"}}]
    made = await api.post(
        "/campaigns",
        {
            "name": "renewals", "detail": "spring list", "type": "call", "service_level": 120,
            "end_handle": "stop", "actions": actions, "outplan_id": outplan["id"],
            "outdial_id": outdial["id"], "queue_id": queue["id"], "max_concurrent_calls": 7,
            "calls_per_second": 3, "flow_id": NOBODY, "source": {},
        },
    )  # fmt: skip
    assert TIMESTAMP.fullmatch(made.pop("tm_create"))
    identifier = made.pop("id")
    assert made == {
        "customer_id": outdial["customer_id"],
        "name": "renewals",
        "detail": "spring list",
        "type": "call",
        "status": "stop",
        "service_level": 120,
        "end_handle": "stop",
        "actions": [{"id": NIL, "next_id": NIL, **actions[0]}],
        "outplan_id": outplan["id"],
        "outdial_id": outdial["id"],
        "queue_id": queue["id"],
        "next_campaign_id": NIL,
        "max_concurrent_calls": 7,
        "calls_per_second": 3,
        "tm_update": NEVER,
        "tm_delete": NEVER,
    }
    assert (await api.get(f"/campaigns/{identifier}"))["name"] == "renewals"


async def test_an_empty_body_makes_a_campaign_that_names_nothing(api: Client) -> None:
    made = await api.post("/campaigns", {})
    assert (made["type"], made["end_handle"], made["actions"]) == ("call", "stop", None)
    assert {made[f"{kind}_id"] for kind in ("outplan", "outdial", "queue")} == {NIL}


async def test_what_other_clients_send_for_nothing_is_nothing(api: Client) -> None:
    made = await api.post(
        "/campaigns",
        {"outplan_id": "", "outdial_id": NIL, "queue_id": None, "type": "", "name": None,
         "end_handle": "loop", "actions": []},
    )  # fmt: skip
    assert (made["outplan_id"], made["outdial_id"], made["queue_id"]) == (NIL, NIL, NIL)
    assert (made["name"], made["end_handle"], made["actions"]) == ("", "continue", [])


async def test_the_dialer_is_told_the_resolved_campaign(api: Client, engine: Engine) -> None:
    outplan = await api.outplan(dial_timeout=20000)
    made = await api.campaign(outplan_id=outplan["id"])
    (created,) = await told(engine, made)
    assert created.type == "campaign.created"
    assert created.campaign.outplan.dial_timeout == 20000
    await api.put(f"/outplans/{outplan['id']}/dial_info", {"try_interval": 1234})
    updated = (await told(engine, made))[-1]
    assert updated.type == "campaign.updated"
    assert updated.campaign.outplan.try_interval_ms == 1234
    assert updated.campaign.outplan.dial_timeout == 20000


@pytest.mark.parametrize("word", ["run", "running", "start"])
@pytest.mark.parametrize("path", ["", "/status"])
async def test_every_spelling_starts_and_stops(api: Client, word: str, path: str) -> None:
    campaign = await api.campaign(name="kept")
    started = await api.put(f"/campaigns/{campaign['id']}{path}", {"status": word})
    assert (started["status"], started["name"]) == ("run", "kept")
    assert started["actions"] == campaign["actions"]
    other = {"run": "stop", "running": "stopped", "start": "stopping"}[word]
    stopped = await api.put(f"/campaigns/{campaign['id']}{path}", {"status": other})
    assert stopped["status"] == "stopping"


async def test_the_gate_has_moved_when_the_answer_comes(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()

    async def gate() -> Any:
        keys = [
            key async for key in engine.redis.scan_iter(match=f"*campaign:{campaign['id']}:gate")
        ]
        return await engine.redis.get(keys[0]) if keys else b""

    await api.put(f"/campaigns/{campaign['id']}", {"status": "run"})
    assert b'"is_open":true' in await gate()
    await api.put(f"/campaigns/{campaign['id']}", {"status": "stop"})
    assert b'"is_open":false' in await gate()


async def test_a_stopping_campaign_stops_when_it_is_drained(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    await api.put(f"/campaigns/{campaign['id']}", {"status": "run"})
    await api.put(f"/campaigns/{campaign['id']}", {"status": "stop"})
    drained = DialingDrained(campaign_id=campaign["id"], run_number=1)
    await run_comes_to(engine, campaign, drained)
    await engine.until(lambda: is_(api, campaign, "stop"))
    causes = [getattr(fact, "cause", None) for fact in await told(engine, campaign)]
    assert causes == [None, "requested", "requested", "drained"]


async def is_(api: Client, campaign: Any, status: str) -> bool:
    return await status_of(api, campaign) == status


async def test_a_stop_that_was_taken_back_is_not_drained(api: Client, engine: Engine) -> None:
    campaign, marker = await api.campaign(), await api.campaign()
    for status in ("run", "stop", "run"):
        await api.put(f"/campaigns/{campaign['id']}", {"status": status})
    await run_comes_to(engine, campaign, DialingDrained(campaign_id=campaign["id"], run_number=1))
    await run_comes_to(engine, campaign, DialingExhausted(campaign_id=campaign["id"], run_number=1))
    await api.put(f"/campaigns/{campaign['id']}", {"status": "stop"})
    assert (await told(engine, campaign))[-1].campaign.run_number == 2
    await run_comes_to(engine, campaign, DialingDrained(campaign_id=campaign["id"], run_number=2))
    await engine.until(lambda: is_(api, campaign, "stop"))
    assert await status_of(api, marker) == "stop"


async def test_an_exhausted_campaign_hands_over_once(api: Client, engine: Engine) -> None:
    last = await api.campaign()
    first = await api.campaign(next_campaign_id=last["id"])
    await api.put(f"/campaigns/{first['id']}", {"status": "run"})
    exhausted = DialingExhausted(campaign_id=first["id"], run_number=1)
    await run_comes_to(engine, first, exhausted)
    await engine.until(lambda: is_(api, last, "run"))
    assert await status_of(api, first) == "stop"
    ended = DialingExhausted(campaign_id=last["id"], run_number=1)
    await run_comes_to(engine, last, ended)
    await engine.until(lambda: is_(api, last, "stop"))
    await run_comes_to(engine, first, exhausted)
    again = await api.campaign()
    await api.put(f"/campaigns/{again['id']}", {"status": "run"})
    await run_comes_to(engine, first, exhausted)
    await run_comes_to(engine, again, DialingExhausted(campaign_id=again["id"], run_number=1))
    await engine.until(lambda: is_(api, again, "stop"))
    runs = [fact.campaign.run_number for fact in await told(engine, last)]
    assert runs == [0, 1, 1], "the same end of a run started what follows once"


async def test_a_campaign_stopped_by_hand_hands_over_to_nobody(api: Client, engine: Engine) -> None:
    last = await api.campaign()
    first = await api.campaign(next_campaign_id=last["id"])
    for status in ("run", "stop"):
        await api.put(f"/campaigns/{first['id']}", {"status": status})
    await run_comes_to(engine, first, DialingExhausted(campaign_id=first["id"], run_number=1))
    await engine.until(lambda: is_(api, first, "stop"))
    assert await status_of(api, last) == "stop"


async def test_a_next_campaign_that_cannot_start_stops_nothing(api: Client, engine: Engine) -> None:
    last = await api.post("/campaigns", {"name": "empty"})
    first = await api.campaign(next_campaign_id=last["id"])
    await api.put(f"/campaigns/{first['id']}", {"status": "run"})
    await run_comes_to(engine, first, DialingExhausted(campaign_id=first["id"], run_number=1))
    await engine.until(lambda: is_(api, first, "stop"))
    assert await status_of(api, last) == "stop"


async def test_campaigns_cannot_start_each_other_for_ever(api: Client) -> None:
    one = await api.campaign()
    two = await api.campaign(next_campaign_id=one["id"])
    three = await api.campaign(next_campaign_id=two["id"])
    for last in (one, two, three):
        answer = await api.ask(
            "PUT", f"/campaigns/{one['id']}/next_campaign_id", {"next_campaign_id": last["id"]}
        )
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "next_campaign_id"
    unchained = await api.put(f"/campaigns/{two['id']}/next_campaign_id", {})
    assert unchained["next_campaign_id"] == NIL
    chained = await api.put(
        f"/campaigns/{one['id']}/resource_info", {"next_campaign_id": three["id"]}
    )
    assert chained["next_campaign_id"] == three["id"]


async def test_two_halves_of_a_cycle_written_at_once_are_refused_once(api: Client) -> None:
    one, two = await api.campaign(), await api.campaign()
    answers = await asyncio.gather(
        api.ask("PUT", f"/campaigns/{one['id']}", {"next_campaign_id": two["id"]}),
        api.ask("PUT", f"/campaigns/{two['id']}", {"next_campaign_id": one["id"]}),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 400]


async def test_an_outdial_is_one_campaigns(api: Client) -> None:
    outdial = await api.outdial()
    first = await api.campaign(outdial_id=outdial["id"])
    assert (await api.get(f"/outdials/{outdial['id']}"))["campaign_id"] == first["id"]
    second = await api.campaign()
    for method, path in (("POST", "/campaigns"), ("PUT", f"/campaigns/{second['id']}")):
        answer = await api.ask(method, path, {"outdial_id": outdial["id"]})
        assert answer.status_code == 400
        assert answer.json()["error"]["details"][0]["field"] == "outdial_id"
    for body in ({"campaign_id": second["id"]}, {"campaign_id": NIL}):
        answer = await api.ask("PUT", f"/outdials/{outdial['id']}/campaign_id", body)
        assert answer.status_code == 409
    await api.put(f"/campaigns/{first['id']}/resource_info", {"outdial_id": ""})
    assert (await api.get(f"/outdials/{outdial['id']}"))["campaign_id"] == NIL
    before = (await api.get(f"/campaigns/{second['id']}"))["outdial_id"]
    await api.put(f"/campaigns/{second['id']}", {"outdial_id": outdial["id"]})
    assert (await api.get(f"/outdials/{outdial['id']}"))["campaign_id"] == second["id"]
    assert (await api.get(f"/outdials/{before}"))["campaign_id"] == NIL
    await api.delete(f"/campaigns/{second['id']}")
    assert (await api.get(f"/outdials/{outdial['id']}"))["campaign_id"] == NIL


async def test_an_outdial_can_be_kept_for_a_campaign(api: Client) -> None:
    campaign, other = await api.campaign(), await api.campaign()
    kept = await api.outdial(campaign_id=campaign["id"])
    answer = await api.ask("PUT", f"/campaigns/{other['id']}", {"outdial_id": kept["id"]})
    assert answer.status_code == 400
    await api.put(f"/campaigns/{campaign['id']}", {"outdial_id": kept["id"]})


@pytest.mark.parametrize(
    ("without", "names"),
    [
        ({"outdial_id": NIL}, "outdial"),
        ({"outplan_id": NIL}, "outplan"),
        ({"max_try_count_0": 0}, "max_try_count"),
    ],
)
async def test_a_campaign_that_could_not_dial_is_not_started(
    api: Client, engine: Engine, without: dict[str, Any], names: str
) -> None:
    if "max_try_count_0" in without:
        without = {"outplan_id": (await api.outplan(**without))["id"]}
    campaign = await api.campaign(**without)
    before = await engine.traces()
    for body in ({"status": "run"}, {"status": "run", "name": "changed"}):
        answer = await api.ask("PUT", f"/campaigns/{campaign['id']}", body)
        assert answer.status_code == 409
        assert answer.json()["error"]["status"] == "FAILED_PRECONDITION"
        assert names in answer.json()["message"]
    assert await engine.traces() == before


async def test_what_a_live_campaign_needs_stays(api: Client) -> None:
    queue = await api.post("/queues", {"name": "queue"})
    campaign = await api.campaign(queue_id=queue["id"])
    path = f"/campaigns/{campaign['id']}"
    await api.put(path, {"status": "run"})
    refused = [
        ("DELETE", path, None),
        ("DELETE", f"/outdials/{campaign['outdial_id']}", None),
        ("DELETE", f"/outplans/{campaign['outplan_id']}", None),
        ("DELETE", f"/queues/{queue['id']}", None),
        ("PUT", path, {"outdial_id": (await api.outdial())["id"]}),
        ("PUT", path, {"outplan_id": NIL}),
        ("PUT", f"/outplans/{campaign['outplan_id']}", {"max_try_count_0": 0}),
    ]
    for method, where, body in refused:
        answer = await api.ask(method, where, body)
        assert (answer.status_code, answer.json()["error"]["status"]) == (
            409,
            "FAILED_PRECONDITION",
        ), (method, where)
    assert (await api.put(path, {"name": "renamed", "service_level": 50}))["name"] == "renamed"


@pytest.mark.parametrize("kind", ["outdial", "outplan", "queue"])
async def test_a_stopped_campaign_lets_go_and_says_what_it_lacks(api: Client, kind: str) -> None:
    queue = await api.post("/queues", {"name": "queue"})
    campaign = await api.campaign(queue_id=queue["id"])
    deleted = await api.delete(f"/{kind}s/{campaign[f'{kind}_id']}")
    assert deleted["tm_delete"] != NEVER
    answer = await api.ask("PUT", f"/campaigns/{campaign['id']}/status", {"status": "run"})
    assert answer.status_code == 409
    assert f"{kind} was deleted" in answer.json()["message"]
    renamed = await api.put(f"/campaigns/{campaign['id']}", {"name": "still here"})
    assert renamed[f"{kind}_id"] == campaign[f"{kind}_id"]


async def test_a_deleted_campaign_is_shown_and_not_listed(api: Client) -> None:
    campaign = await api.campaign()
    assert (await api.delete(f"/campaigns/{campaign['id']}"))["tm_delete"] != NEVER
    assert (await api.get(f"/campaigns/{campaign['id']}"))["tm_delete"] != NEVER
    assert campaign["id"] not in [row["id"] for row in await api.every("/campaigns")]
    for method, body in (("DELETE", None), ("PUT", {"name": "x"})):
        answer = await api.ask(method, f"/campaigns/{campaign['id']}", body)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "CAMPAIGN_NOT_FOUND")


async def test_each_part_takes_its_own_fields_only(api: Client) -> None:
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}"
    changed = await api.put(f"{path}/service_level", {"service_level": 70, "name": "x"})
    assert (changed["service_level"], changed["name"]) == (70, "campaign")
    changed = await api.put(f"{path}/actions", {"actions": [{"type": "hangup"}], "name": "x"})
    assert changed["actions"] == [{"id": NIL, "next_id": NIL, "type": "hangup"}]
    assert (changed["service_level"], changed["name"]) == (70, "campaign")
    assert (await api.put(f"{path}/actions", {"actions": None}))["actions"] is None
    assert await api.put(path, {}) == await api.get(path)


async def test_commands_on_kafka_do_what_the_api_does(
    api: Client, engine: Engine, stranger: Client
) -> None:
    campaign, foreign = await api.campaign(), await customer_of(stranger)
    start = CampaignStart(campaign_id=campaign["id"])
    stop = CampaignStop(campaign_id=campaign["id"])

    async def command(body: Any, customer_id: str) -> None:
        await engine.tell(CAMPAIGN_COMMANDS, body, subject=campaign["id"], customer_id=customer_id)

    await command(start, campaign["customer_id"])
    await engine.until(lambda: is_(api, campaign, "run"))
    await command(stop, foreign)
    await command(CampaignStart(campaign_id=NOBODY), campaign["customer_id"])
    await command(stop, campaign["customer_id"])
    await engine.until(lambda: is_(api, campaign, "stopping"))
    assert len(await told(engine, campaign)) == 3, "the stranger's stop changed nothing"


async def test_many_changes_at_once_lose_none(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}"
    await asyncio.gather(
        *(api.put(path, {"detail": f"d{number}"}) for number in range(10)),
        *(api.put(path, {"status": "run"}) for _ in range(5)),
        api.put(path, {"name": "one"}),
        api.put(path, {"service_level": 33}),
    )
    after = await api.get(path)
    assert (after["name"], after["service_level"], after["status"]) == ("one", 33, "run")
    heard = await engine.heard(CAMPAIGN_EVENTS, campaign["id"])
    numbers = [envelope.sequence for envelope in heard]
    assert numbers == sorted(set(numbers)), "in the order of the commits"
    assert [e.body.type for e in heard].count("campaign.status_changed") == 1
