"""What is refused: each wrong field by its name, with nothing stored and nothing published."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOBODY = str(uuid4())
TALK = {"type": "talk", "option": {"text": "Hello."}}
LONG = "x" * 300
A_NUMBER = {"type": "tel", "target": "+15550100011"}
NO_NUMBER = {"type": "tel", "target": "0800"}
A_PIGEON = {"type": "pigeon", "target": "x"}


def hours(**changed: Any) -> dict[str, Any]:
    """A campaign's body with one window, something of it wrong."""
    return {"calling_hours": [{"days": ["mon"], "from": "08:00", "to": "21:00", **changed}]}


WRONG_VALUES: list[tuple[str, Any, str, str]] = [
    ("/campaigns", {"type": "sms"}, "type", "INVALID_ARGUMENT"),
    ("/campaigns", {"end_handle": "never"}, "end_handle", "INVALID_ARGUMENT"),
    ("/campaigns", {"service_level": -1}, "service_level", "INVALID_ARGUMENT"),
    ("/campaigns", {"service_level": 2**31}, "service_level", "INVALID_ARGUMENT"),
    ("/campaigns", {"max_concurrent_calls": 0}, "max_concurrent_calls", "INVALID_ARGUMENT"),
    ("/campaigns", {"calls_per_second": -5}, "calls_per_second", "INVALID_ARGUMENT"),
    ("/campaigns", {"name": LONG}, "name", "INVALID_ARGUMENT"),
    ("/campaigns", {"status": "go"}, "status", "INVALID_ARGUMENT"),
    ("/campaigns", {"outdial_id": "7"}, "outdial_id", "INVALID_ID"),
    ("/campaigns", {"outdial_id": NOBODY}, "outdial_id", "INVALID_ARGUMENT"),
    ("/campaigns", {"outplan_id": NOBODY}, "outplan_id", "INVALID_ARGUMENT"),
    ("/campaigns", {"queue_id": NOBODY}, "queue_id", "INVALID_ARGUMENT"),
    ("/campaigns", {"next_campaign_id": NOBODY}, "next_campaign_id", "INVALID_ARGUMENT"),
    ("/campaigns", {"actions": [TALK, {"type": "dance"}]}, "actions.1.type", "INVALID_ACTION_TYPE"),
    ("/campaigns", {"actions": [{"option": {}}]}, "actions.0.type", "INVALID_JSON_BODY"),
    (
        "/campaigns",
        {"actions": [{"type": "sleep", "option": {"duration": -1}}]},
        "actions.0.option.duration",
        "INVALID_ARGUMENT",
    ),
    ("/campaigns", {"calling_zone": "Mars/Olympus"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_zone": "America"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_zone": "localtime"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_zone": "Factory"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_zone": "../etc/localtime"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_zone": "america/new_york"}, "calling_zone", "INVALID_ARGUMENT"),
    ("/campaigns", {"calling_hours": []}, "calling_hours", "INVALID_ARGUMENT"),
    ("/campaigns", hours(days=[]), "calling_hours.0.days", "INVALID_ARGUMENT"),
    ("/campaigns", hours(days=["caturday"]), "calling_hours.0.days.0", "INVALID_ARGUMENT"),
    ("/campaigns", hours(to="08:00"), "calling_hours.0.to", "INVALID_ARGUMENT"),
    ("/campaigns", hours(to="07:00"), "calling_hours.0.to", "INVALID_ARGUMENT"),
    ("/campaigns", hours(to="24:01"), "calling_hours.0.to", "INVALID_ARGUMENT"),
    ("/campaigns", {"attempts_per_number_day": 0}, "attempts_per_number_day", "INVALID_ARGUMENT"),
    ("/campaigns", {"attempts_per_number_week": 0}, "attempts_per_number_week", "INVALID_ARGUMENT"),
    ("/campaigns", {"ambiguous_handle": "guess"}, "ambiguous_handle", "INVALID_ARGUMENT"),
    ("/outplans", {"source_calls_per_second": 0}, "source_calls_per_second", "INVALID_ARGUMENT"),
    ("/outplans", {"dial_timeout": -1}, "dial_timeout", "INVALID_ARGUMENT"),
    ("/outplans", {"try_interval": -1}, "try_interval", "INVALID_ARGUMENT"),
    ("/outplans", {"max_try_count_3": -1}, "max_try_count_3", "INVALID_ARGUMENT"),
    ("/outplans", {"source": NO_NUMBER}, "source.target", "INVALID_ARGUMENT"),
    ("/outplans", {"source": A_PIGEON}, "source.type", "INVALID_ARGUMENT"),
    ("/outdials", {"campaign_id": NOBODY}, "campaign_id", "INVALID_ARGUMENT"),
    ("/queues", {"routing_method": "skills"}, "routing_method", "INVALID_ROUTING_METHOD"),
    ("/queues", {"wait_timeout": -1}, "wait_timeout", "INVALID_ARGUMENT"),
    ("/queues", {"tag_ids": [NOBODY]}, "tag_ids", "INVALID_ARGUMENT"),
    ("/queues", {"tag_ids": ["x"]}, "tag_ids.0", "INVALID_ID"),
    ("/queues", {"wait_flow_id": NOBODY}, "wait_flow_id", "INVALID_ARGUMENT"),
    ("/flows", {"actions": [{"type": "fly"}]}, "actions.0.type", "INVALID_ACTION_TYPE"),
    ("/flows", {"on_complete_flow_id": NOBODY}, "on_complete_flow_id", "INVALID_ARGUMENT"),
    ("/agents", {"password": "x"}, "username", "INVALID_ARGUMENT"),
    ("/agents", {"username": "x@example.com"}, "password", "INVALID_ARGUMENT"),
    ("/agents", {"permission": 65536}, "permission", "INVALID_ARGUMENT"),
    ("/agents", {"ring_method": "loudly"}, "ring_method", "INVALID_ARGUMENT"),
    ("/agents", {"addresses": [NO_NUMBER]}, "addresses.0.target", "INVALID_ARGUMENT"),
    ("/accesskeys", {"expire": 60}, "expire", "INVALID_ARGUMENT"),
    ("/accesskeys", {"expire": 10**12}, "expire", "INVALID_ARGUMENT"),
]  # fmt: skip

WRONG_TYPES: list[tuple[str, Any, str]] = [
    ("/campaigns", {"service_level": "100"}, "service_level"),
    ("/campaigns", {"service_level": 1.5}, "service_level"),
    ("/campaigns", {"service_level": True}, "service_level"),
    ("/campaigns", {"calling_hours": "always"}, "calling_hours"),
    ("/campaigns", hours(to=21), "calling_hours.0.to"),
    ("/campaigns", {"calling_hours": [{"days": ["mon"], "to": "09:00"}]}, "calling_hours.0.from"),
    ("/campaigns", {"calling_zone": 1}, "calling_zone"),
    ("/campaigns", {"attempts_per_number_day": "3"}, "attempts_per_number_day"),
    ("/campaigns", {"name": 7}, "name"),
    ("/campaigns", {"actions": {"type": "talk"}}, "actions"),
    ("/campaigns", {"actions": ["talk"]}, "actions.0"),
    ("/outplans", {"source": "+15550100001"}, "source"),
    ("/outdials", {"name": ["x"]}, "name"),
    ("/queues", {"tag_ids": "x"}, "tag_ids"),
    ("/agents", {"permission": "admin"}, "permission"),
    ("/campaigns", [], "body"),
    ("/campaigns", 7, "body"),
]

WRONG_TARGETS: list[tuple[Any, str]] = [
    ({}, "destination_0"),
    ({"name": "nobody", "destination_0": None, "destination_1": {}}, "destination_0"),
    ({"destination_0": {"type": "tel", "target": "5551234"}}, "destination_0.target"),
    ({"destination_2": {"type": "tel", "target": "+1555CALLME"}}, "destination_2.target"),
    ({"destination_0": {"type": "sip", "target": "nowhere"}}, "destination_0.target"),
    ({"destination_0": {"type": "email", "target": "a@b.example"}}, "destination_0.type"),
    ({"destination_0": A_NUMBER, "data": 7}, "data"),
    ([{"destination_0": A_NUMBER}, {"destination_0": {"target": "+1"}}], "1.destination_0.target"),
    ([{"destination_0": A_NUMBER}, {"name": "nobody"}], "1.destination_0"),
    ([{"destination_0": A_NUMBER}, 7], "1"),
    ([{"destination_0": A_NUMBER}] * 10_001, "body"),
]


def assert_names(answer: Any, field: str, reason: str) -> None:
    assert answer.status_code == 400, answer.text
    body = answer.json()
    assert body["error"]["status"] == "INVALID_ARGUMENT"
    assert body["error"]["reason"] == reason
    assert field in [row["field"] for row in body["error"]["details"]]
    assert body["message"] == body["error"]["message"] != ""
    assert body["error"]["request_id"] == answer.headers["X-Request-Id"]


async def test_a_wrong_value_is_named_and_changes_nothing(api: Client, engine: Engine) -> None:
    before = await engine.traces()
    for path, body, field, reason in WRONG_VALUES:
        assert_names(await api.ask("POST", path, body), field, reason)
    assert await engine.traces() == before


async def test_a_wrong_type_is_named_and_changes_nothing(api: Client, engine: Engine) -> None:
    before = await engine.traces()
    for path, body, field in WRONG_TYPES:
        assert_names(await api.ask("POST", path, body), field, "INVALID_JSON_BODY")
    assert await engine.traces() == before


async def test_a_wrong_target_is_named_and_none_of_its_list_is_stored(
    api: Client, engine: Engine
) -> None:
    outdial = await api.outdial()
    before = await engine.traces()
    for body, field in WRONG_TARGETS:
        answer = await api.ask("POST", f"/outdials/{outdial['id']}/targets", body)
        reason = answer.json()["error"]["reason"]
        assert_names(answer, field, reason)
        assert reason in ("INVALID_ARGUMENT", "INVALID_JSON_BODY")
    assert await engine.traces() == before
    assert await api.every(f"/outdials/{outdial['id']}/targets") == []


async def test_a_wrong_update_changes_nothing(api: Client, engine: Engine) -> None:
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}"
    before = await engine.traces()
    for part, body, field in [
        ("", {"name": "changed", "type": "sms"}, "type"),
        ("", {"name": "changed", "outplan_id": NOBODY}, "outplan_id"),
        ("/status", {"status": "resume"}, "status"),
        ("/status", {"status": ""}, "status"),
        ("/resource_info", {"queue_id": NOBODY}, "queue_id"),
        ("/actions", {"actions": [{"type": "fly"}]}, "actions.0.type"),
    ]:
        answer = await api.ask("PUT", path + part, body)
        assert_names(answer, field, answer.json()["error"]["reason"])
    assert_names(await api.ask("PUT", f"{path}/status", {}), "status", "INVALID_JSON_BODY")
    outplan = f"/outplans/{campaign['outplan_id']}"
    answer = await api.ask("PUT", f"{outplan}/dial_info", {"try_interval": -1})
    assert_names(answer, "try_interval", "INVALID_ARGUMENT")
    assert await engine.traces() == before


@pytest.mark.parametrize(
    "raw",
    [
        b"{", b"", b"not json", b'{"name": "a"', b"\xff\xfe", b'{"name": "\\ud800"}',
        b"[" * 5000, b'{"service_level": ' + b"9" * 5000 + b"}",
        b'{"actions": [{"type": "talk", "option": {"text": "x", "more": NaN}}]}',
        b'{"actions": [{"type": "talk", "option": {"text": "x", "more": [1e999]}}]}',
        b'{"detail": "' + b"x" * 600_000 + b'"}',
    ],
    ids=lambda raw: raw[:20].decode(errors="replace"),
)  # fmt: skip
async def test_bytes_that_are_no_right_body_change_nothing(
    api: Client, engine: Engine, raw: bytes
) -> None:
    before = await engine.traces()
    answer = await api.http.post("/v1.0/campaigns", content=raw, params=api.params)
    if raw:
        assert answer.status_code == 400, answer.text
        assert answer.json()["error"]["details"]
        assert await engine.traces() == before
    else:
        assert answer.status_code == 200, "nothing is an empty object"


async def test_a_body_is_read_whatever_its_content_type(api: Client) -> None:
    answer = await api.http.post(
        "/v1.0/tags",
        content=b'{"name": "plain"}',
        params=api.params,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert (answer.status_code, answer.json()["name"]) == (200, "plain")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1.0/nothing"), ("GET", "/"), ("PATCH", "/v1.0/campaigns"),
        ("DELETE", "/v1.0/campaigns"), ("POST", "/v1.0/auth/login"), ("GET", "/v1.0/campaigns/"),
        ("GET", "/docs"), ("POST", f"/v1.0/campaigns/{NOBODY}/start"),
    ],
)  # fmt: skip
async def test_unknown_routes_and_methods_look_alike(api: Client, method: str, path: str) -> None:
    answer = await api.http.request(method, path, params=api.params)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (404, "ROUTE_NOT_FOUND")


KINDS = {
    "campaigns": "CAMPAIGN_NOT_FOUND",
    "campaigncalls": "CAMPAIGNCALL_NOT_FOUND",
    "outdials": "OUTDIAL_NOT_FOUND",
    "outplans": "OUTPLAN_NOT_FOUND",
    "queues": "QUEUE_NOT_FOUND",
    "flows": "FLOW_NOT_FOUND",
    "agents": "AGENT_NOT_FOUND",
    "accesskeys": "ACCESSKEY_NOT_FOUND",
    "tags": "RESOURCE_NOT_FOUND",
}


@pytest.mark.parametrize(("kind", "reason"), KINDS.items())
async def test_what_is_not_there_is_said_to_be_missing(api: Client, kind: str, reason: str) -> None:
    for method in ("GET", "PUT", "DELETE"):
        if (method, kind) == ("PUT", "campaigncalls"):
            continue
        answer = await api.ask(method, f"/{kind}/{NOBODY}", {"name": "x"})
        assert (answer.status_code, answer.json()["error"]["reason"]) == (404, reason)
        assert answer.json()["error"]["status"] == "NOT_FOUND"
        answer = await api.ask(method, f"/{kind}/17", {})
        assert_names(answer, "id", "INVALID_ID")


@pytest.mark.parametrize("given", ["yesterday", "2026-13-01", "1", "None"])
async def test_a_page_token_that_is_no_instant_is_refused(api: Client, given: str) -> None:
    answer = await api.ask("GET", "/tags", page_token=given)
    assert_names(answer, "page_token", "INVALID_REQUEST_PARAMETER")


async def test_a_request_id_is_kept_or_made(api: Client) -> None:
    kept = await api.http.get("/v1.0/x", headers={"X-Request-Id": "mine-1_2"})
    assert kept.headers["X-Request-Id"] == kept.json()["error"]["request_id"] == "mine-1_2"
    for wrong in ("x" * 65, "a b", "ü".encode().decode("latin-1")):
        made = await api.http.get("/ping", headers={b"X-Request-Id": wrong.encode("latin-1")})
        assert re.fullmatch(r"req_[a-z2-7]{26}", made.headers["X-Request-Id"])


async def test_ping_needs_nobody(api: Client) -> None:
    assert (await api.http.get("/ping")).status_code == 200
