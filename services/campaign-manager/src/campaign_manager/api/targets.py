"""Routes of an outdial's targets; many may be added at once."""

from typing import Any

from contracts.target import Target
from fastapi import APIRouter, Request
from pydantic import TypeAdapter

from campaign_manager.api.bodies import TargetBody
from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, bytes_of, caller_of, fresh_ids, page_of, path_id
from campaign_manager.api.errors import field_error
from campaign_manager.usecases.targets import new_target

LARGEST_LIST = 10_000
LARGEST_BODY = 16 * 1024 * 1024
BODIES = TypeAdapter(list[TargetBody])


def target_routes(cases: UseCases) -> APIRouter:
    """Return the routes below /v1.0/outdials/{id}."""
    routes = APIRouter()
    border, targets = cases.border, cases.targets

    @routes.get("/outdials/{id_}/targets")
    async def list_targets(request: Request, id_: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        before, size = page_of(request)
        rows = await targets.page(path_id(id_), caller.customer_id, before, size)
        return border.page([border.target(row) for row in rows], rows)

    @routes.post("/outdials/{id_}/targets")
    async def add_targets(request: Request, id_: str) -> Any:
        """Add one target, or a list of them in their order."""
        caller, outdial_id = await caller_of(request, cases.credentials), path_id(id_)
        bodies, is_list = await _bodies_of(request)
        ids = fresh_ids(request, caller, f"outdials/{outdial_id}/targets", len(bodies))
        wanted = [
            _target(body, outdial_id, caller.customer_id, id_)
            for body, id_ in zip(bodies, ids, strict=True)
        ]
        added = await targets.add(outdial_id, caller.customer_id, wanted)
        shown = [border.target(target) for target in added]
        return {"result": shown} if is_list else shown[0]

    @routes.get("/outdials/{id_}/targets/{target_id}")
    async def get_target(request: Request, id_: str, target_id: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        target = await targets.get(path_id(id_), path_id(target_id), caller.customer_id)
        return border.target(target)

    @routes.delete("/outdials/{id_}/targets/{target_id}")
    async def delete_target(request: Request, id_: str, target_id: str) -> Shown:
        caller = await caller_of(request, cases.credentials)
        target = await targets.delete(path_id(id_), path_id(target_id), caller.customer_id)
        return border.target(target)

    return routes


async def _bodies_of(request: Request) -> tuple[list[TargetBody], bool]:
    """Return a body or a list of bodies, and whether it was a list."""
    raw = await bytes_of(request, LARGEST_BODY)
    if not raw.lstrip().startswith(b"["):
        return [TargetBody.model_validate_json(raw)], False
    bodies = BODIES.validate_json(raw)
    if len(bodies) > LARGEST_LIST:
        raise field_error("body", f"at most {LARGEST_LIST} targets at a time, not {len(bodies)}")
    return bodies, True


def _target(body: TargetBody, outdial_id: str, customer_id: str, target_id: str) -> Target:
    return new_target(
        outdial_id,
        customer_id,
        target_id,
        name=body.name,
        detail=body.detail,
        data=body.data,
        destinations=body.destinations(),
    )
