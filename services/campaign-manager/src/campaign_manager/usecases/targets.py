"""Targets of outdials, added by the API and by commands alike."""

import uuid
from collections.abc import Sequence
from datetime import datetime

from contracts.target import Destination, Target

from campaign_manager.domain.addresses import fault_of
from campaign_manager.ports import TargetQueue
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Invalid, Missing
from campaign_manager.usecases.kinds import OUTDIAL, now

LARGEST_TARGET = 200_000  # characters: one message holds it, whatever they are


class Targets:
    """The targets of all customers' outdials."""

    def __init__(self, definitions: Definitions, queue: TargetQueue) -> None:
        self._definitions = definitions
        self._queue = queue

    async def add(
        self, outdial_id: str, customer_id: str, wanted: Sequence[Target]
    ) -> list[Target]:
        """Add targets to an outdial, in order; all of them are valid, or none is added.

        Raises:
            Missing: There is no such outdial.
            Invalid: A target cannot be dialed.
        """
        await self._definitions.get(OUTDIAL, outdial_id, customer_id)
        for place, target in enumerate(wanted):
            _check(target, f"{place}." if len(wanted) > 1 else "")
        return await self._queue.add(outdial_id, customer_id, wanted)

    async def page(
        self, outdial_id: str, customer_id: str, before: datetime | None, size: int
    ) -> list[Target]:
        """Return targets of an outdial, newest first.

        Raises:
            Missing: There is no such outdial.
        """
        await self._definitions.get(OUTDIAL, outdial_id, customer_id, is_deleted_shown=True)
        return await self._queue.page(outdial_id, before, size)

    async def get(self, outdial_id: str, target_id: str, customer_id: str) -> Target:
        """Return a target, a deleted one too.

        Raises:
            Missing: There is no such outdial or target.
        """
        await self._definitions.get(OUTDIAL, outdial_id, customer_id, is_deleted_shown=True)
        target = await self._queue.get(outdial_id, target_id)
        if target is None or target.customer_id != customer_id:
            raise Missing("target")
        return target

    async def delete(self, outdial_id: str, target_id: str, customer_id: str) -> Target:
        """Delete a target: it is never dialed again.

        Raises:
            Missing: There is no such outdial or target.
        """
        await self._definitions.get(OUTDIAL, outdial_id, customer_id)
        target = await self._queue.delete(outdial_id, target_id)
        if target is None:
            raise Missing("target")
        return target


def new_target(
    outdial_id: str,
    customer_id: str,
    target_id: str,
    *,
    name: str,
    detail: str,
    data: str,
    destinations: tuple[Destination, ...],
) -> Target:
    """Return a target with what is given of it; the queue gives it its instants."""
    at = now()
    return Target(
        target_id=target_id,
        outdial_id=outdial_id,
        customer_id=customer_id,
        name=name,
        detail=detail,
        data=data,
        destinations=destinations,
        created_at=at,
        updated_at=at,
    )


def _check(target: Target, where: str) -> None:
    try:
        uuid.UUID(target.target_id)
    except ValueError as error:
        raise Invalid(f"{where}target_id", "is not a UUID") from error
    if not target.destinations:
        raise Invalid(f"{where}destination_0", "a target needs at least one destination")
    for destination in target.destinations:
        fault = fault_of(destination.kind, destination.address)
        if fault:
            raise Invalid(f"{where}destination_{destination.slot}.target", fault)
    if _has_twins(target.destinations):
        raise Invalid(f"{where}destinations", "two of them have the same slot")
    if _size(target) > LARGEST_TARGET:
        raise Invalid(f"{where}data", f"the target is larger than {LARGEST_TARGET} characters")


def _has_twins(destinations: Sequence[Destination]) -> bool:
    return len({destination.slot for destination in destinations}) < len(destinations)


def _size(target: Target) -> int:
    texts = [target.name, target.detail, target.data]
    for one in target.destinations:
        texts += (one.address, one.target_name, one.name, one.detail)
    return sum(map(len, texts))
