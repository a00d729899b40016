"""What campaigns name: loaded with their versions, so that a decision holds only while they do.

Each outplan and queue has a record of the campaigns that name it. It is written whenever a campaign
begins or ceases to name it, so whoever changes or deletes one can rely on having seen them all.
"""

import json
from dataclasses import dataclass
from typing import Any

from chassis.outbox import Guard, Outbox, Write
from contracts.campaign import Campaign
from contracts.resources import Outdial, Outplan, Queue

from campaign_manager.domain.chains import closes_cycle
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Invalid
from campaign_manager.usecases.kinds import (
    CAMPAIGN,
    OUTDIAL,
    OUTPLAN,
    QUEUE,
    Kind,
    Stored,
    key_of,
    users_key,
)

USED: tuple[tuple[str, Kind[Any]], ...] = (("outplan_id", OUTPLAN), ("queue_id", QUEUE))


@dataclass(frozen=True, slots=True)
class Named:
    """What a campaign names, as far as it is there and may be used.

    Attributes:
        outdial: Free, or this campaign's already.
        is_taken: The outdial is there, but another campaign has it.
        guards: The decision holds as long as these do.
    """

    outdial: Stored[Outdial] | None
    outplan: Outplan | None
    queue: Queue | None
    is_taken: bool
    guards: tuple[Guard, ...]


class References:
    """From campaigns to what they name, and back."""

    def __init__(self, definitions: Definitions, outbox: Outbox) -> None:
        self._definitions = definitions
        self._outbox = outbox

    async def named(self, campaign: Campaign) -> Named:
        """Load what a campaign names; what is gone or another customer's is left out."""
        guards: list[Guard] = []

        async def load(kind: Kind[Any], id_: str | None) -> Stored[Any] | None:
            if id_ is None:
                return None
            found = await self._definitions.find(kind, id_)
            guards.append(Guard(key_of(kind, id_), found.version if found else 0))
            is_its = found is not None and found.item.customer_id == campaign.customer_id
            return found if found and is_its and found.item.deleted_at is None else None

        outdial = await load(OUTDIAL, campaign.outdial_id)
        owner_id = outdial.item.campaign_id if outdial else None
        is_taken = (
            owner_id not in (None, campaign.campaign_id)
            and await load(CAMPAIGN, owner_id) is not None
        )
        outplan = await load(OUTPLAN, campaign.outplan_id)
        queue = await load(QUEUE, campaign.queue_id)
        return Named(
            outdial=None if is_taken else outdial,
            outplan=outplan.item if outplan else None,
            queue=queue.item if queue else None,
            is_taken=is_taken,
            guards=tuple(guards),
        )

    async def check_chain(self, campaign: Campaign) -> tuple[Guard, ...]:
        """Return what must hold for the chain of campaigns from this one on to have an end.

        Raises:
            Invalid: What follows does not exist, or would lead back to this campaign.
        """
        following: dict[str, str | None] = {}
        guards: list[Guard] = []
        at = campaign.next_campaign_id
        if at and at != campaign.campaign_id:
            await self._definitions.require(CAMPAIGN, at, campaign.customer_id, "next_campaign_id")
        while at and at != campaign.campaign_id and at not in following:
            stored = await self._definitions.find(CAMPAIGN, at)
            guards.append(Guard(key_of(CAMPAIGN, at), stored.version if stored else 0))
            is_there = stored is not None and stored.item.deleted_at is None
            following[at] = stored.item.next_campaign_id if stored and is_there else None
            at = following[at]
        first = campaign.next_campaign_id
        if first and closes_cycle(campaign.campaign_id, first, following):
            raise Invalid("next_campaign_id", "the campaigns would start each other for ever")
        return tuple(guards)

    async def users(self, kind: Kind[Any], id_: str) -> tuple[list[Stored[Campaign]], Guard]:
        """Return the campaigns that name a definition, and what holds while these are all."""
        key = users_key(kind, id_)
        record = await self._outbox.read(key)
        ids: list[str] = json.loads(record.body) if record else []
        found = [await self._definitions.find(CAMPAIGN, campaign_id) for campaign_id in ids]
        return [one for one in found if one], Guard(key, record.version if record else 0)

    async def reindex(self, before: Campaign | None, after: Campaign) -> tuple[Write, ...]:
        """Return the writes that let what a campaign names, or named, know it."""
        writes = []
        for field, kind in USED:
            old = getattr(before, field) if before else None
            new = getattr(after, field) if after.deleted_at is None else None
            if old == new:
                continue
            writes += [
                await self._reindexed(kind, id_, after.campaign_id, is_user=id_ == new)
                for id_ in (old, new)
                if id_ is not None
            ]
        return tuple(writes)

    async def _reindexed(
        self, kind: Kind[Any], id_: str, campaign_id: str, *, is_user: bool
    ) -> Write:
        key = users_key(kind, id_)
        record = await self._outbox.read(key)
        users = [one for one in (json.loads(record.body) if record else []) if one != campaign_id]
        if is_user:
            users.append(campaign_id)
        return Write(key, record.version if record else 0, json.dumps(users).encode())
