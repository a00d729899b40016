"""GET /timelines/{type}/{id}/events: what the log tells of a thing, as pages or as a stream."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from contracts.campaign import Campaign
from contracts.target import Target
from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from campaign_manager.api.border import Border, Shown
from campaign_manager.api.context import UseCases, caller_of, path_id
from campaign_manager.api.errors import ApiError, field_error
from campaign_manager.domain.timelines import Cursor, TimelineEvent, page_before, parse_cursor
from campaign_manager.usecases.timelines import Timeline, Timelines

USUAL_PAGE, LARGEST_PAGE = 100, 1000
QUIET_LINES = 15
"""After how many seconds without an event a stream says that it is alive."""


def timeline_routes(cases: UseCases) -> APIRouter:
    """Return the routes of timelines below /v1.0."""
    routes, timelines = APIRouter(), cases.timelines
    kinds: dict[str, Callable[[str, str], Awaitable[Timeline]]] = {
        "campaigns": timelines.of_campaign,
        "outdialtargets": timelines.of_target,
        "targets": timelines.of_target,
        "calls": timelines.of_call,
        "campaigncalls": timelines.of_call,
    }

    @routes.get("/timelines/{kind}/{id_}/events")
    async def events(request: Request, kind: str, id_: str) -> Response:
        caller = await caller_of(request, cases.credentials)
        if kind not in kinds:
            raise field_error("type", f"is one of {', '.join(kinds)}", "INVALID_REQUEST_PARAMETER")
        timeline = await kinds[kind](path_id(id_), caller.customer_id)
        return await _answer(request, timelines, timeline, cases.border)

    @routes.get("/aggregated-events")
    async def aggregated(request: Request) -> Response:
        caller = await caller_of(request, cases.credentials)
        call_id = request.query_params.get("call_id")
        if not call_id:
            raise ApiError("INVALID_ARGUMENT", "INVALID_REQUEST_PARAMETER", "give a call_id")
        timeline = await timelines.of_everything(path_id(call_id), caller.customer_id)
        return await _answer(request, timelines, timeline, cases.border)

    return routes


async def _answer(
    request: Request, timelines: Timelines, timeline: Timeline, border: Border
) -> Response:
    if "text/event-stream" in request.headers.get("accept", ""):
        after = _cursor(request.headers.get("last-event-id", ""), "Last-Event-ID")
        lines = _lines(timelines, timeline, after, border)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return StreamingResponse(lines, media_type="text/event-stream", headers=headers)
    before = _cursor(request.query_params.get("page_token", ""), "page_token")
    found = await timelines.so_far(timeline)
    page, token = page_before(found, before, _size(request))
    shown = {"result": [_shown(border, one) for one in page], "next_page_token": token}
    return Response(json.dumps(shown, ensure_ascii=False), media_type="application/json")


def _cursor(text: str, field: str) -> Cursor | None:
    try:
        return parse_cursor(text)
    except ValueError as error:
        raise field_error(
            field, "is no place in a timeline", "INVALID_REQUEST_PARAMETER"
        ) from error


def _size(request: Request) -> int:
    given = request.query_params.get("page_size", "")
    size = int(given) if given.isascii() and given.isdigit() and len(given) <= 4 else USUAL_PAGE
    return min(size, LARGEST_PAGE) if size > 0 else USUAL_PAGE


async def _lines(
    timelines: Timelines, timeline: Timeline, after: Cursor | None, border: Border
) -> AsyncIterator[str]:
    """Yield server-sent events: those so far, then each as it comes, until the client goes."""
    quiet = 0
    following = timelines.follow(timeline, after)
    try:
        async for events in following:
            quiet = 0 if events else quiet + 1
            if quiet >= QUIET_LINES:
                quiet = 0
                yield ": nothing new\n\n"
            for event in events:
                told = json.dumps(_shown(border, event), ensure_ascii=False)
                yield f"id: {event.cursor}\nevent: {event.name}\ndata: {told}\n\n"
    finally:
        await following.aclose()


def _shown(border: Border, event: TimelineEvent) -> Shown:
    return {
        "timestamp": border.instant(event.at),
        "event_type": event.name,
        "data": _about(border, event.body)
        | {"message_id": event.id, "message_type": event.type, "caused_by": event.cause},
    }


def _about(border: Border, body: dict[str, Any]) -> Shown:
    """Return what a message is about as the API shows such things, with what else it says."""
    rest = {name: one for name, one in body.items() if name not in {"type", "campaign", "target"}}
    if isinstance(body.get("campaign"), dict):
        return border.campaign(Campaign.model_validate(body["campaign"])) | rest
    if isinstance(body.get("target"), dict):
        return border.target(Target.model_validate(body["target"])) | rest
    return rest
