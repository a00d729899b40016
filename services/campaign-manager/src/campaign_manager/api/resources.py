"""Routes of everything that is stored, listed, changed and deleted in the same way."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contracts.resources import Flow, Outdial, Outplan, Queue
from fastapi import APIRouter, Request

from campaign_manager.api.bodies import (
    AddressBody,
    Body,
    FlowBody,
    OutdialBody,
    OutplanBody,
    QueueBody,
    TagBody,
)
from campaign_manager.api.border import Border, Shown
from campaign_manager.api.context import UseCases, body_of, caller_of, page_of, path_id, require
from campaign_manager.usecases.definitions import (
    FLOW,
    OUTDIAL,
    OUTPLAN,
    QUEUE,
    TAG,
    Kind,
    Put,
    new_id,
    now,
)
from campaign_manager.usecases.errors import Conflict, Invalid

Update = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of resource in the API.

    Attributes:
        path: Below /v1.0.
        kind: What is stored.
        body: What clients send, whole or in part.
        parts: Sub-paths that take a part of the same body.
        inside: Returns what a body changes, in our words.
        show: Renders one.
    """

    path: str
    kind: Kind[Any]
    body: type[Body]
    parts: tuple[str, ...]
    inside: Callable[[Any, Any], Update]
    show: Callable[[Border, Any], Shown]


def _as_given(body: Body, _before: Any) -> Update:
    return body.given()


def _outplan(body: OutplanBody, before: Outplan | None) -> Update:
    given = body.given()
    counts = list(before.max_attempts if before else (0, 0, 0, 0, 0))
    update: Update = {name: given[name] for name in ("name", "detail") if name in given}
    for slot in range(5):
        counts[slot] = given.get(f"max_try_count_{slot}", counts[slot])
    update["max_attempts"] = tuple(counts)
    if "source" in given:
        source: AddressBody | None = given["source"]
        update["source"] = source.to_address() if source else None
    if "dial_timeout" in given:
        update["dial_timeout"] = given["dial_timeout"]
    if "try_interval" in given:
        update["try_interval_ms"] = given["try_interval"]
    return update


def _queue(body: QueueBody, _before: Any) -> Update:
    renamed = {"wait_timeout": "wait_timeout_ms", "service_timeout": "service_timeout_ms"}
    update = {renamed.get(name, name): value for name, value in body.given().items()}
    if "tag_ids" in update:
        update["tag_ids"] = tuple(id_ for id_ in update["tag_ids"] if id_)
    return update


def _flow(body: FlowBody, _before: Any) -> Update:
    update = body.given()
    if "actions" in update:
        update["actions"] = update["actions"] or ()
    return update


NOUNS = (
    Noun(
        "outdials", OUTDIAL, OutdialBody, ("campaign_id", "data"), _as_given,
        lambda border, item: border.outdial(item),
    ),
    Noun(
        "outplans", OUTPLAN, OutplanBody, ("dial_info",), _outplan,
        lambda border, item: border.outplan(item),
    ),
    Noun(
        "queues", QUEUE, QueueBody, ("tag_ids", "routing_method"), _queue,
        lambda border, item: border.queue(item),
    ),
    Noun("flows", FLOW, FlowBody, (), _flow, lambda border, item: border.flow(item)),
    Noun("tags", TAG, TagBody, (), _as_given, lambda border, item: border.tag(item)),
)  # fmt: skip


def resource_routes(cases: UseCases) -> APIRouter:
    """Return the routes of outdials, outplans, queues, flows and tags."""
    routes = APIRouter()
    for noun in NOUNS:
        _add(routes, noun, cases)
    return routes


def _add(routes: APIRouter, noun: Noun, cases: UseCases) -> None:
    definitions, border = cases.definitions, cases.border

    async def customer_of(request: Request) -> str:
        caller = await caller_of(request, cases.credentials)
        require(caller)
        return caller.customer_id

    async def list_(request: Request) -> Shown:
        customer_id = await customer_of(request)
        before, size = page_of(request)
        rows = await definitions.page(noun.kind, customer_id, before, size)
        shown = [noun.show(border, row) for row in rows]
        return border.page(shown, rows[-1].created_at if rows else None)

    async def create(request: Request) -> Shown:
        customer_id = await customer_of(request)
        body = await body_of(request, noun.body)
        blank = noun.kind.model(id=new_id(), customer_id=customer_id, created_at=now())
        item = blank.model_copy(update=noun.inside(body, None))
        await _check(cases, item)
        await definitions.commit(Put(noun.kind, item, 0))
        return noun.show(border, item)

    async def get(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        stored = await definitions.get(noun.kind, path_id(id_), customer_id, is_deleted_shown=True)
        return noun.show(border, stored.item)

    async def put(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)
        body = await body_of(request, noun.body)

        async def decide(before: Any) -> Any:
            after = before.model_copy(update=noun.inside(body, before))
            if after == before:
                return before
            await _check(cases, after)
            return after.model_copy(update={"updated_at": now()})

        item = await definitions.change(noun.kind, path_id(id_), customer_id, decide)
        await _after(cases, item)
        return noun.show(border, item)

    async def delete(request: Request, id_: str) -> Shown:
        customer_id = await customer_of(request)

        def decide(before: Any) -> Any:
            if isinstance(before, Outdial) and before.campaign_id:
                raise Conflict("a campaign has this outdial: take it away from the campaign first")
            at = now()
            return before.model_copy(update={"deleted_at": at, "updated_at": at})

        item = await definitions.change(noun.kind, path_id(id_), customer_id, decide)
        return noun.show(border, item)

    one = f"/{noun.path}/{{id_}}"
    routes.add_api_route(f"/{noun.path}", list_, methods=["GET"])
    routes.add_api_route(f"/{noun.path}", create, methods=["POST"])
    routes.add_api_route(one, get, methods=["GET"])
    for path in (one, *(f"{one}/{part}" for part in noun.parts)):
        routes.add_api_route(path, put, methods=["PUT"])
    routes.add_api_route(one, delete, methods=["DELETE"])


async def _check(cases: UseCases, item: Any) -> None:
    """What a resource names must exist and be the customer's."""
    named: dict[str, tuple[Kind[Any], list[str]]] = {}
    match item:
        case Queue(tag_ids=tag_ids, wait_flow_id=flow_id):
            named = {"tag_ids": (TAG, list(tag_ids)), "wait_flow_id": (FLOW, [flow_id or ""])}
        case Flow(on_complete_flow_id=flow_id):
            named = {"on_complete_flow_id": (FLOW, [flow_id or ""])}
        case _:
            return
    for field, (kind, ids) in named.items():
        for id_ in filter(None, ids):
            stored = await cases.definitions.find(kind, id_)
            if stored is None or stored.item.customer_id != item.customer_id:
                raise Invalid(field, f"there is no such {kind.name}")


async def _after(cases: UseCases, item: Any) -> None:
    """Campaigns carry their outplan with them."""
    if isinstance(item, Outplan):
        await cases.campaigns.follow_outplan(item)
