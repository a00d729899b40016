"""Routes of the numbers on a do-not-call list; many come and go at once."""

import asyncio
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from phonenumbers import SUPPORTED_REGIONS
from pydantic import Field, PrivateAttr, model_validator
from target_queue.numbering import e164_of, number_of

from campaign_manager.api.border import Shown
from campaign_manager.api.context import UseCases, bytes_of, caller_of, page_of_names, path_id
from campaign_manager.api.errors import field_error
from campaign_manager.api.fields import Body, Name, wrong
from campaign_manager.domain.addresses import fault_of

LARGEST_LIST = 10_000


def read_number(text: str, region: str | None = None) -> str | None:
    """Return the number that a client means, as it is dialed; None if none can be read."""
    if "@" in text:
        return None if fault_of("sip", text.strip()) else number_of(text.strip())
    number = e164_of(text, region)
    return None if number is None or fault_of("tel", number) else number


class NumbersBody(Body):
    numbers: Annotated[list[Name], Field(min_length=1, max_length=LARGEST_LIST)]
    region: str | None = None
    _read: list[str] = PrivateAttr(default_factory=list)

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.region is not None and self.region not in SUPPORTED_REGIONS:
            raise wrong("is not a region such as US", within="region")
        for place, text in enumerate(self.numbers):
            number = read_number(text, self.region)
            if number is None:
                raise wrong(
                    "is not a number such as +15551234567; without a plus it needs a region",
                    within=f"numbers.{place}",
                )
            self._read.append(number)
        return self

    def read(self) -> list[str]:
        """Return the numbers as they are dialed."""
        return self._read


async def _numbers_of(request: Request) -> list[str]:
    """Return the numbers of a body; thousands take their time, which others need not wait for."""
    raw = await bytes_of(request)
    return (await asyncio.to_thread(NumbersBody.model_validate_json, raw)).read()


def donotcall_routes(cases: UseCases) -> APIRouter:
    """Return the routes below /v1.0/donotcalls/{id}."""
    routes = APIRouter()
    lists = cases.donotcalls

    @routes.post("/donotcalls/{id_}/numbers")
    async def add_numbers(request: Request, id_: str) -> Shown:
        caller, list_id = await caller_of(request, cases.credentials), path_id(id_)
        numbers = await _numbers_of(request)
        return {"added": await lists.add(list_id, caller.customer_id, numbers)}

    @routes.put("/donotcalls/{id_}/numbers/remove")
    async def remove_numbers(request: Request, id_: str) -> Shown:
        caller, list_id = await caller_of(request, cases.credentials), path_id(id_)
        numbers = await _numbers_of(request)
        return {"removed": await lists.remove(list_id, caller.customer_id, numbers)}

    @routes.get("/donotcalls/{id_}/numbers")
    async def list_numbers(request: Request, id_: str) -> Shown:
        """List numbers in their order; or one of them, or none, where one is asked for."""
        caller, list_id = await caller_of(request, cases.credentials), path_id(id_)
        asked = request.query_params.get("number")
        if asked is None:
            after, size = page_of_names(request)
            rows = await lists.page(list_id, caller.customer_id, after, size)
            return _page(rows, rows[-1] if rows else "")
        number = read_number(asked.replace(" ", "+", 1) if asked.startswith(" ") else asked)
        if number is None:
            raise field_error("number", "is not a number such as +15551234567")
        is_there = await lists.has(list_id, caller.customer_id, number)
        return _page([number] if is_there else [], "")

    return routes


def _page(numbers: list[str], token: str) -> Shown:
    shown: list[Any] = [{"number": number} for number in numbers]
    return {"result": shown, "next_page_token": token}
