"""The client of the REST API: credentials, pages, and errors that say what to do."""

import json
from collections.abc import Callable

import httpx
import pytest
from campaignctl.client import TARGETS_AT_ONCE, ApiAway, ApiRefused, Client
from campaignctl.errors import CannotGoOn

API = "http://127.0.0.1:8080"
Answer = Callable[[httpx.Request], httpx.Response]


def a_client(answer: Answer) -> Client:
    return Client(API, httpx.MockTransport(answer))


def test_a_login_puts_its_token_into_every_query() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/auth/login":
            assert json.loads(request.content) == {"username": "ann", "password": "secret"}
            return httpx.Response(200, json={"username": "ann", "token": "t"})
        assert (request.url.path, request.url.params["token"]) == ("/v1.0/campaigns/c", "t")
        return httpx.Response(200, json={"id": "c"})

    with a_client(answer) as client:
        client.identify("ann", "secret")
        assert client.get("/campaigns/c") == {"id": "c"}


def test_an_access_key_needs_no_login() -> None:
    with a_client(lambda request: httpx.Response(200, json=dict(request.url.params))) as client:
        client.identify("ann", "secret", "vb_key")
        assert client.get("/campaigns/c") == {"accesskey": "vb_key"}


def test_a_refused_login_says_which_options_to_give() -> None:
    with (
        a_client(lambda _: httpx.Response(400)) as client,
        pytest.raises(CannotGoOn, match="--username and --password"),
    ):
        client.identify("ann", "wrong")


def test_an_api_that_is_away_says_how_to_start_one() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with a_client(refuse) as client, pytest.raises(ApiAway, match="campaignctl up"):
        client.get("/campaigns/c")


def test_a_refusal_tells_what_the_api_says() -> None:
    error = {"reason": "INVALID_ID", "message": "not an id", "details": [{"field": "id"}]}
    with (
        a_client(lambda _: httpx.Response(400, json={"error": error})) as client,
        pytest.raises(ApiRefused, match=r"GET /campaigns/c: 400 INVALID_ID: not an id .*field"),
    ):
        client.get("/campaigns/c")


def test_a_refusal_that_is_no_json_is_told_as_it_is() -> None:
    with (
        a_client(lambda _: httpx.Response(502, text="bad gateway")) as client,
        pytest.raises(ApiRefused, match="502 bad gateway"),
    ):
        client.get("/campaigns/c")


def test_a_list_is_read_page_by_page_until_an_empty_one() -> None:
    pages = {
        "": {"result": [{"id": 3}, {"id": 2}], "next_page_token": "2"},
        "2": {"result": [{"id": 1}], "next_page_token": "1"},
        "1": {"result": [], "next_page_token": ""},
    }

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, json=pages[request.url.params.get("page_token", "")])

    with a_client(answer) as client:
        assert [row["id"] for row in client.every("/campaigns")] == [3, 2, 1]


def test_targets_are_added_some_hundreds_in_a_request() -> None:
    sizes = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies = json.loads(request.content)
        sizes.append(len(bodies))
        return httpx.Response(200, json={"result": bodies})

    targets = [{"name": str(order)} for order in range(TARGETS_AT_ONCE + 1)]
    with a_client(answer) as client:
        assert list(client.add_targets("o", targets)) == targets
    assert sizes == [TARGETS_AT_ONCE, 1]
