"""Routes of everything that is stored, listed, changed and deleted in the same way."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, Request

from campaign_manager.api.bodies import (
    Changes,
    DoNotCallBody,
    FlowBody,
    OutdialBody,
    OutplanBody,
    QueueBody,
    TagBody,
)
from campaign_manager.api.border import Border, Shown
from campaign_manager.api.context import (
    UseCases,
    body_of,
    caller_of,
    fresh_id,
    page_of,
    path_id,
)
from campaign_manager.usecases.kinds import (
    DO_NOT_CALL,
    FLOW,
    OUTDIAL,
    OUTPLAN,
    QUEUE,
    TAG,
    Kind,
    now,
)

DIAL_FIELDS = frozenset(
    (
        "source",
        "source_calls_per_second",
        "dial_timeout",
        "try_interval",
        *(f"max_try_count_{slot}" for slot in range(5)),
    )
)


class Change(Protocol):
    """A body that says what it changes."""

    def changes(self, before: Any, /) -> Changes: ...


@dataclass(frozen=True, slots=True)
class Noun:
    """One kind of resource in the API.

    Attributes:
        path: Below /v1.0.
        kind: What is stored.
        body: What clients send, whole or in part.
        show: Renders one.
        parts: Sub-paths, and the members of the body that each takes.
    """

    path: str
    kind: Kind[Any]
    body: type[Any]
    show: Callable[[Border, Any], Shown]
    parts: Mapping[str, frozenset[str]] = field(default_factory=dict)


def _only(name: str) -> tuple[str, frozenset[str]]:
    return name, frozenset({name})


NOUNS = (
    Noun(
        "outdials",
        OUTDIAL,
        OutdialBody,
        Border.outdial,
        dict((_only("campaign_id"), _only("data"))),
    ),
    Noun("outplans", OUTPLAN, OutplanBody, Border.outplan, {"dial_info": DIAL_FIELDS}),
    Noun(
        "queues", QUEUE, QueueBody, Border.queue, dict((_only("tag_ids"), _only("routing_method")))
    ),
    Noun("flows", FLOW, FlowBody, Border.flow),
    Noun("tags", TAG, TagBody, Border.tag),
    Noun("donotcalls", DO_NOT_CALL, DoNotCallBody, Border.donotcall),
)  # fmt: skip


def resource_routes(cases: UseCases) -> APIRouter:
    """Return the routes of outdials, outplans, queues, flows, tags and do-not-call lists."""
    routes = APIRouter()
    for noun in NOUNS:
        _add(routes, noun, cases)
    return routes


def _add(routes: APIRouter, noun: Noun, cases: UseCases) -> None:
    border, resources = cases.border, cases.resources

    async def list_(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        before, size = page_of(request)
        rows = await cases.definitions.page(noun.kind, caller.customer_id, before, size)
        return border.page([noun.show(border, row) for row in rows], rows)

    async def create(request: Request) -> Shown:
        caller = await caller_of(request, cases.credentials)
        body: Change = await body_of(request, noun.body)
        id_ = fresh_id(request, caller, noun.path)
        blank = noun.kind.model(id=id_, customer_id=caller.customer_id, created_at=now())
        item = blank.model_copy(update=body.changes(blank))
        return noun.show(border, await resources.create(noun.kind, item))

    async def get(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        stored = await cases.definitions.get(
            noun.kind, path_id(id_), caller.customer_id, is_deleted_shown=True
        )
        return noun.show(border, stored.item)

    def put(part: frozenset[str] | None) -> Callable[[Request, str], Any]:
        async def put_part(request: Request, id_: str) -> Shown:
            caller = await caller_of(request, cases.credentials)
            whole = await body_of(request, noun.body)
            body: Change = whole.part(part) if part else whole
            item = await resources.update(noun.kind, path_id(id_), caller.customer_id, body.changes)
            return noun.show(border, item)

        return put_part

    async def delete(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        item = await resources.delete(noun.kind, path_id(id_), caller.customer_id)
        return noun.show(border, item)

    one = f"/{noun.path}/{{id_}}"
    routes.add_api_route(f"/{noun.path}", list_, methods=["GET"])
    routes.add_api_route(f"/{noun.path}", create, methods=["POST"])
    routes.add_api_route(one, get, methods=["GET"])
    routes.add_api_route(one, put(None), methods=["PUT"])
    for name, fields in noun.parts.items():
        routes.add_api_route(f"{one}/{name}", put(fields), methods=["PUT"])
    routes.add_api_route(one, delete, methods=["DELETE"])
