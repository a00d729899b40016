"""Logins, access keys, agents and permissions over HTTP."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import jwt
import pytest
from contracts.queue import QueueLoadChanged
from contracts.topics import QUEUE_EVENTS, RESOURCE_EVENTS

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NEVER = "9999-01-01 00:00:00.000000"
PASSWORD = "a password for tests"


async def an_agent(api: Client, **fields: Any) -> Any:
    body = {"username": f"{uuid4().hex[:12]}@example.com", "password": PASSWORD, **fields}
    return await api.post("/agents", body)


async def log_in(api: Client, username: str, password: str = PASSWORD) -> Any:
    return await api.http.post("/auth/login", json={"username": username, "password": password})


async def token_of(api: Client, agent: Any, password: str = PASSWORD) -> dict[str, str]:
    return {"token": (await log_in(api, agent["username"], password)).json()["token"]}


async def ask(api: Client, method: str, path: str, body: Any = None, **query: str) -> Any:
    """Ask with the given credentials and no others."""
    api.http.cookies.clear()
    return await api.http.request(method, f"/v1.0{path}", json=body, params=query)


async def test_a_login_answers_a_token_and_a_cookie(api: Client) -> None:
    answer = await log_in(api, api.username)
    api.http.cookies.clear()
    assert answer.json()["username"] == api.username
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith(f"token={answer.json()['token']};")
    for part in ("HttpOnly", "Secure", "SameSite=strict", "Max-Age=604800"):
        assert part in cookie


@pytest.mark.parametrize(
    "raw",
    [
        b"", b"{", b"[]", b"{}", b'{"username": "x"}', b'{"username": 7, "password": "x"}',
        b'{"username": "nobody@example.com", "password": "x"}',
    ],
)  # fmt: skip
async def test_a_failed_login_says_nothing(api: Client, raw: bytes) -> None:
    answer = await api.http.post("/auth/login", content=raw)
    assert (answer.status_code, answer.content) == (400, b"")


async def test_a_wrong_password_says_nothing(api: Client) -> None:
    answer = await log_in(api, api.username, "wrong")
    assert (answer.status_code, answer.content) == (400, b"")


async def test_every_way_to_say_who_asks(api: Client) -> None:
    token = api.params["token"]
    key = (await api.post("/accesskeys", {"name": "key", "expire": 86400}))["token"]
    ways: list[dict[str, Any]] = [
        {"params": {"token": token}},
        {"headers": {"Authorization": f"Bearer {token}"}},
        {"headers": {"Cookie": f"token={token}"}},
        {"headers": {"Cookie": f"accesskey={key}"}},
        {"params": {"accesskey": key}},
        {"params": {"accesskey": "wrong", "token": token}},
        {"params": {"token": "wrong"}, "headers": {"Cookie": f"token={token}"}},
    ]
    for way in ways:
        api.http.cookies.clear()
        assert (await api.http.get("/v1.0/tags", **way)).status_code == 200, way
    claims = jwt.decode(token, options={"verify_signature": False})
    unsigned = jwt.encode(claims, "", algorithm="none")
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "AUTHENTICATION_REQUIRED"),
        ({"headers": {"Authorization": f"Basic {token}"}}, "AUTHENTICATION_REQUIRED"),
        ({"params": {"token": token[:-3] + "abc"}}, "INVALID_CREDENTIALS"),
        ({"params": {"token": "x", "accesskey": key}}, "INVALID_CREDENTIALS"),
        ({"params": {"accesskey": "vb_wrong"}}, "INVALID_CREDENTIALS"),
        ({"params": {"token": unsigned}}, "INVALID_CREDENTIALS"),
    ]
    for way, reason in wrong:
        answer = await api.http.get("/v1.0/tags", **way)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (401, reason)
        assert answer.json()["error"]["status"] == "UNAUTHENTICATED"


async def test_a_foreign_token_stores_nothing(api: Client, engine: Engine) -> None:
    before = await engine.traces()
    for query in ({}, {"token": "foreign"}, {"accesskey": "foreign"}):
        answer = await ask(api, "POST", "/outdials", {"name": "x"}, **query)
        assert answer.status_code == 401
    assert await engine.traces() == before


async def test_an_access_key_shows_its_token_once(api: Client, engine: Engine) -> None:
    made = await api.post("/accesskeys", {"name": "ci", "detail": "d", "expire": 86400})
    token = made.pop("token")
    assert token.startswith("vb_")
    assert token.startswith(made["token_prefix"])
    assert made["tm_expire"] > made["tm_create"]
    path = f"/accesskeys/{made['id']}"
    assert await api.get(path) == made
    renamed = await api.put(path, {"name": "cd", "expire": 999999999})
    assert (renamed["name"], renamed["detail"]) == ("cd", "d")
    assert renamed["tm_expire"] == made["tm_expire"]
    heard = await engine.heard(RESOURCE_EVENTS, f"accesskey/{made['id']}")
    assert all(token not in envelope.model_dump_json() for envelope in heard)
    assert (await ask(api, "GET", "/tags", accesskey=token)).status_code == 200
    await api.delete(path)
    assert (await ask(api, "GET", "/tags", accesskey=token)).status_code == 401
    answer = await api.ask("GET", path)
    assert (answer.status_code, answer.json()["error"]["reason"]) == (409, "STATE_INVALID")
    assert made["id"] not in [row["id"] for row in await api.every("/accesskeys")]


async def test_an_agent_is_shown_without_the_password(api: Client) -> None:
    tag = await api.post("/tags", {"name": "english"})
    made = await an_agent(
        api,
        name="Ann",
        detail="d",
        ring_method="linear",
        permission=16,
        tag_ids=[tag["id"]],
        addresses=[{"type": "tel", "target": "+15550100003"}],
    )
    assert not [name for name in made if "password" in name]
    path = f"/agents/{made['id']}"
    assert await api.get(path) == made
    kept = {"name": "Ann", "detail": "d", "ring_method": "linear", "permission": 16}
    assert made.items() >= kept.items()
    assert (made["status"], made["addresses"]) == (
        "offline",
        [{"type": "tel", "target": "+15550100003"}],
    )
    for part, body in [
        ("status", {"status": "available", "permission": 240}),
        ("tag_ids", {"tag_ids": []}),
        ("addresses", {"addresses": []}),
    ]:
        changed = await api.put(f"{path}/{part}", body)
        assert changed.items() >= kept.items()
    assert (changed["status"], changed["tag_ids"], changed["addresses"]) == ("available", [], [])
    assert (await api.put(f"{path}/permission", {"permission": 64}))["permission"] == 64
    assert (await api.put(path, {"name": "Anne"}))["username"] == made["username"]


async def test_a_deleted_agent_is_locked_out_and_the_name_is_free(api: Client) -> None:
    made = await an_agent(api, permission=64)
    token = await token_of(api, made)
    taken = await api.ask("POST", "/agents", {"username": made["username"], "password": "x"})
    assert (taken.status_code, taken.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    assert (await ask(api, "GET", "/tags", **token)).status_code == 200
    assert (await api.delete(f"/agents/{made['id']}"))["tm_delete"] != NEVER
    assert (await ask(api, "GET", "/tags", **token)).status_code == 401
    assert (await log_in(api, made["username"])).status_code == 400
    again = await an_agent(api, username=made["username"])
    assert again["id"] != made["id"]


async def test_one_username_is_given_once(api: Client) -> None:
    body = {"username": f"{uuid4().hex}@example.com", "password": "x"}
    answers = await asyncio.gather(*(api.ask("POST", "/agents", body) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]


async def test_a_new_password_is_the_only_one(api: Client) -> None:
    made = await an_agent(api)
    await api.put(f"/agents/{made['id']}/password", {"password": "another"})
    assert (await log_in(api, made["username"])).status_code == 400
    assert (await log_in(api, made["username"], "another")).status_code == 200
    answer = await api.ask("PUT", f"/agents/{made['id']}/password", {})
    assert answer.status_code == 400


async def test_a_plain_agent_may_declare_the_own_status_only(api: Client) -> None:
    made, other = await an_agent(api, permission=16), await an_agent(api, permission=16)
    token = await token_of(api, made)
    own = f"/agents/{made['id']}"
    assert (await ask(api, "PUT", f"{own}/status", {"status": "away"}, **token)).status_code == 200
    refused = [
        ("GET", "/campaigns", None), ("POST", "/outdials", {"name": "x"}), ("GET", "/agents", None),
        ("PUT", own, {"status": "away", "permission": 32}), ("PUT", own, {"name": "x"}),
        ("PUT", f"{own}/permission", {"permission": 32}),
        ("PUT", f"{own}/password", {"password": "x"}),
        ("PUT", f"/agents/{other['id']}/status", {"status": "away"}),
        ("GET", "/accesskeys", None), ("DELETE", f"/agents/{other['id']}", None),
    ]  # fmt: skip
    for method, path, body in refused:
        answer = await ask(api, method, path, body, **token)
        assert (answer.status_code, answer.json()["error"]["reason"]) == (
            403,
            "PERMISSION_DENIED",
        ), (method, path)


async def test_a_manager_cannot_rise_above_himself(api: Client) -> None:
    manager, admin = await an_agent(api, permission=64), await an_agent(api, permission=32)
    token = await token_of(api, manager)
    fresh = {"username": f"{uuid4().hex}@example.com", "password": "x"}
    refused = [
        ("POST", "/agents", {**fresh, "permission": 32}),
        ("POST", "/agents", {**fresh, "permission": 1}),
        ("PUT", f"/agents/{manager['id']}/permission", {"permission": 96}),
        ("PUT", f"/agents/{admin['id']}/password", {"password": "mine"}),
        ("DELETE", f"/agents/{admin['id']}", None),
        ("GET", "/accesskeys", None),
    ]
    for method, path, body in refused:
        assert (await ask(api, method, path, body, **token)).status_code == 403, (method, path)
    answer = await ask(api, "POST", "/agents", {**fresh, "permission": 16}, **token)
    assert answer.status_code == 200


async def test_agents_are_filtered_by_status_and_tags(stranger: Client) -> None:
    tag = await stranger.post("/tags", {"name": "english"})
    agents = await asyncio.gather(*(an_agent(stranger, name=f"a{n}") for n in range(7)))
    for agent in agents[:3]:
        await stranger.put(f"/agents/{agent['id']}/status", {"status": "available"})
    await stranger.put(f"/agents/{agents[1]['id']}/tag_ids", {"tag_ids": [tag["id"]]})

    async def found(**query: Any) -> set[str]:
        rows = (await stranger.get("/agents", page_size=2, **query))["result"]
        return {row["name"] for row in rows}

    assert await found(tag_ids=tag["id"]) == {"a1"}
    assert await found(status="available", tag_ids=f"{uuid4()},{tag['id']}") == {"a1"}
    assert await found(status="busy") == set()
    assert len(await stranger.every("/agents", page_size=3)) == 8


async def test_an_engaged_agent_shows_as_busy(api: Client, engine: Engine) -> None:
    agent = await an_agent(api)
    path, queue_id = f"/agents/{agent['id']}", str(uuid4())
    await api.put(f"{path}/status", {"status": "available"})

    async def shows(status: str) -> bool:
        return bool((await api.get(path))["status"] == status)

    for sequence, engaged in ((16, {agent["id"]: str(uuid4())}), (32, {})):
        load = QueueLoadChanged(
            queue_id=queue_id, customer_id=agent["customer_id"], engaged=engaged
        )
        await engine.tell(
            QUEUE_EVENTS, load, subject=queue_id, customer_id=load.customer_id, sequence=sequence
        )
        await engine.until(lambda: shows("busy" if engaged else "available"))  # noqa: B023
