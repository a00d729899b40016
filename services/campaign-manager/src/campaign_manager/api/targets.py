"""Routes of an outdial's targets; many may be added at once."""

from typing import Any

from contracts.target import Target
from fastapi import APIRouter, Request

from campaign_manager.api.bodies import TargetBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import (
    UseCases,
    bodies_of,
    caller_of,
    page_of,
    path_id,
    require,
)
from campaign_manager.usecases.definitions import OUTDIAL, new_id, now
from campaign_manager.usecases.errors import Invalid, Missing

LARGEST_LIST = 10_000


def target_routes(cases: UseCases) -> APIRouter:
    """Return the routes below /v1.0/outdials/{id}."""
    routes = APIRouter()
    border, targets = cases.border, cases.targets

    async def outdial_of(request: Request, id_: str) -> tuple[str, str]:
        caller = await caller_of(request, cases.credentials)
        require(caller)
        stored = await cases.definitions.get(OUTDIAL, path_id(id_), caller.customer_id)
        return stored.item.id, caller.customer_id

    @routes.get("/outdials/{id_}/targets")
    async def list_targets(request: Request, id_: str) -> Shown:
        outdial_id, _ = await outdial_of(request, id_)
        before, size = page_of(request)
        rows = await targets.page(outdial_id, before, size)
        shown = [border.target(row) for row in rows]
        return border.page(shown, rows[-1].created_at if rows else None)

    @routes.post("/outdials/{id_}/targets")
    async def add_targets(request: Request, id_: str) -> Any:
        outdial_id, customer_id = await outdial_of(request, id_)
        bodies, is_list = await bodies_of(request, TargetBody, LARGEST_LIST)
        at = now()
        wanted = []
        for place, body in enumerate(bodies):
            destinations = body.destinations()
            if not destinations:
                field = f"{place}.destination_0" if is_list else "destination_0"
                raise Invalid(field, "a target needs at least one destination")
            wanted.append(
                Target(
                    target_id=new_id(),
                    outdial_id=outdial_id,
                    customer_id=customer_id,
                    name=body.name,
                    detail=body.detail,
                    data=body.data,
                    destinations=destinations,
                    created_at=at,
                    updated_at=at,
                )
            )
        added = [
            border.target(target) for target in await targets.add(outdial_id, customer_id, wanted)
        ]
        return {"result": added} if is_list else added[0]

    @routes.get("/outdials/{id_}/targets/{target_id}")
    async def get_target(request: Request, id_: str, target_id: str) -> Shown:
        outdial_id, customer_id = await outdial_of(request, id_)
        target = await targets.get(outdial_id, path_id(target_id))
        if target is None or target.customer_id != customer_id:
            raise Missing("target")
        return border.target(target)

    @routes.delete("/outdials/{id_}/targets/{target_id}")
    async def delete_target(request: Request, id_: str, target_id: str) -> Shown:
        outdial_id, _ = await outdial_of(request, id_)
        target = await targets.delete(outdial_id, path_id(target_id))
        if target is None:
            raise Missing("target")
        return border.target(target)

    return routes
