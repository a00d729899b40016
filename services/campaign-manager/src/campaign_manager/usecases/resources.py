"""Outdials, outplans, queues, flows, tags and do-not-call lists: created, changed and deleted.

What they name must be there, and what a running campaign needs stays.
"""

from collections.abc import Callable, Mapping
from typing import Any

from chassis.outbox import Guard, StaleWrite
from contracts.campaign import Campaign, CampaignStatus
from contracts.resources import Flow, Outdial, Outplan, Owned, Queue

from campaign_manager.domain.revisions import removed, revise
from campaign_manager.ports import Listings
from campaign_manager.usecases.campaigns import Campaigns
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Conflict
from campaign_manager.usecases.kinds import (
    CAMPAIGN,
    DO_NOT_CALL,
    FLOW,
    QUEUE,
    TAG,
    Kind,
    Put,
    Stored,
    key_of,
    now,
)
from campaign_manager.usecases.recalls import Recalls
from campaign_manager.usecases.references import References


class Resources:
    """The definitions that campaigns, queues and flows are put together from."""

    def __init__(
        self,
        definitions: Definitions,
        references: References,
        campaigns: Campaigns,
        listings: Listings,
        recalls: Recalls,
    ) -> None:
        self._definitions = definitions
        self._references = references
        self._campaigns = campaigns
        self._listings = listings
        self._recalls = recalls

    async def create(self, kind: Kind[Any], item: Owned) -> Any:
        """Store a new definition and return it; one that is there is left as it is.

        Raises:
            Invalid: Something that it names does not exist.
        """
        if (there := await self._definitions.find(kind, item.id)) is not None:
            return there.item
        await self._check(None, item)
        try:
            await self._definitions.commit(Put(kind, item, 0))
        except StaleWrite:  # sent twice at the same time, and the other was quicker
            return (await self._definitions.get(kind, item.id, item.customer_id)).item
        return item

    async def update(
        self,
        kind: Kind[Any],
        id_: str,
        customer_id: str,
        changes_of: Callable[[Any], Mapping[str, Any]],
    ) -> Any:
        """Change a definition; `changes_of` says what, given how it is.

        Raises:
            Missing: There is no such definition.
            Invalid: Something that it names does not exist.
            Conflict: A campaign that runs could not go on.
        """
        while True:
            stored = await self._definitions.get(kind, id_, customer_id)
            after = revise(stored.item, changes_of(stored.item), now())
            if after is stored.item:
                return after
            await self._check(stored.item, after)
            if await self._committed(kind, stored, after):
                return after

    async def delete(self, kind: Kind[Any], id_: str, customer_id: str) -> Any:
        """Delete a definition; a stopped campaign that names it cannot start any more.

        The numbers of a do-not-call list come off it first: a list that could not be emptied stays.

        Raises:
            Missing: There is no such definition.
            Conflict: A campaign that runs needs it.
        """
        if kind is DO_NOT_CALL:
            await self._definitions.get(kind, id_, customer_id)
            await self._empty(id_, customer_id)
        while True:
            stored = await self._definitions.get(kind, id_, customer_id)
            after = removed(stored.item, now())
            if await self._committed(kind, stored, after):
                break
        if kind is DO_NOT_CALL:  # also what was added while it went
            await self._empty(id_, customer_id)
        return after

    async def _empty(self, list_id: str, customer_id: str) -> None:
        await self._listings.clear(customer_id, list_id)
        await self._recalls.listed(customer_id)

    async def _committed(self, kind: Kind[Any], stored: Stored[Any], after: Owned) -> bool:
        puts: list[Put] = []
        guards: tuple[Guard, ...] = ()
        if isinstance(after, Outplan):
            puts, guards = await self._campaigns.redrawn(after)
        elif isinstance(after, Outdial):
            guards = await self._hold_outdial(stored.item, after)
        elif kind is QUEUE and after.deleted_at:
            guards = await self._let_go(QUEUE, after.id)
        try:
            await self._definitions.commit(Put(kind, after, stored.version), *puts, guards=guards)
        except StaleWrite:
            return False
        await self._campaigns.announce(puts)
        return True

    async def _hold_outdial(self, before: Outdial, after: Outdial) -> tuple[Guard, ...]:
        """An outdial is its campaign's until the campaign lets it go."""
        if not after.deleted_at and before.campaign_id == after.campaign_id:
            return ()
        owner = await self._definitions.find(CAMPAIGN, before.campaign_id or "")
        if owner is None or owner.item.deleted_at or owner.item.outdial_id != before.id:
            return ()
        if after.deleted_at is None:
            raise Conflict("a campaign has this outdial: change the campaign's outdial_id instead")
        return _at_rest([owner])

    async def _let_go(self, kind: Kind[Any], id_: str) -> tuple[Guard, ...]:
        users, guard = await self._references.users(kind, id_)
        return (guard, *_at_rest(users))

    async def _check(self, before: Owned | None, item: Owned) -> None:
        """What a definition names anew must exist and be the customer's."""
        named: dict[str, tuple[Kind[Any], tuple[str | None, ...]]] = {}
        match item:
            case Queue(tag_ids=tag_ids, wait_flow_id=flow_id):
                named = {"tag_ids": (TAG, tag_ids), "wait_flow_id": (FLOW, (flow_id,))}
            case Flow(on_complete_flow_id=flow_id):
                named = {"on_complete_flow_id": (FLOW, (flow_id,))}
            case Outdial(campaign_id=campaign_id):
                named = {"campaign_id": (CAMPAIGN, (campaign_id,))}
            case _:
                return
        for field, (kind, ids) in named.items():
            if before is not None and getattr(before, field) == getattr(item, field):
                continue
            for id_ in ids:
                await self._definitions.require(kind, id_, item.customer_id, field)


def _at_rest(campaigns: list[Stored[Campaign]]) -> tuple[Guard, ...]:
    """Return what holds as long as campaigns stay stopped.

    Raises:
        Conflict: One of them is not.
    """
    for stored in campaigns:
        if stored.item.status is not CampaignStatus.STOP:
            raise Conflict(f"campaign {stored.item.campaign_id} is not stopped, and needs it")
    return tuple(
        Guard(key_of(CAMPAIGN, stored.item.campaign_id), stored.version) for stored in campaigns
    )
