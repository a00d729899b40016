"""Campaigns: created, changed, started, stopped, chained and deleted."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from chassis.outbox import StaleWrite
from contracts.campaign import (
    Campaign,
    CampaignCreated,
    CampaignDeleted,
    CampaignStatus,
    CampaignUpdated,
    EndHandle,
    StatusCause,
)
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.resources import Outdial, Outplan

from campaign_manager.domain.chains import closes_cycle
from campaign_manager.domain.status import CannotStart, Trigger, transition
from campaign_manager.ports import Targets
from campaign_manager.usecases.definitions import (
    CAMPAIGN,
    MESSAGES_PER_COMMIT,
    OUTDIAL,
    OUTPLAN,
    QUEUE,
    Definitions,
    Put,
    Stored,
    now,
)
from campaign_manager.usecases.errors import Conflict, Invalid, Missing

log = structlog.get_logger()

RESOURCES = ("outdial_id", "outplan_id", "queue_id", "next_campaign_id")


class Campaigns:
    """The campaigns of all customers."""

    def __init__(self, definitions: Definitions, targets: Targets) -> None:
        self._definitions = definitions
        self._targets = targets

    async def create(self, campaign: Campaign) -> Campaign:
        """Store a new campaign; it adopts its outdial.

        Raises:
            Invalid: One of the resources that it names does not exist or cannot be its.
        """
        while True:
            resolved, adoptions = await self._resolve(campaign, None)
            try:
                await self._definitions.commit(
                    Put(CAMPAIGN, resolved, 0, CampaignCreated(campaign=resolved)), *adoptions
                )
            except StaleWrite:
                continue
            return resolved

    async def update(self, campaign_id: str, customer_id: str, update: dict[str, Any]) -> Campaign:
        """Change what is named and nothing else.

        Raises:
            Missing: There is no such campaign.
            Invalid: A resource does not exist or cannot be its.
            Conflict: The outdial of a campaign that is not stopped cannot be changed.
        """
        while True:
            stored = await self._definitions.get(CAMPAIGN, campaign_id, customer_id)
            before = stored.item
            wanted = before.model_copy(update=update)
            if wanted.outdial_id != before.outdial_id and before.status is not CampaignStatus.STOP:
                raise Conflict("stop the campaign before you change its outdial")
            resolved, adoptions = await self._resolve(wanted, before)
            if resolved == before:
                return before
            resolved = resolved.model_copy(update={"updated_at": now()})
            put = Put(CAMPAIGN, resolved, stored.version, CampaignUpdated(campaign=resolved))
            try:
                await self._definitions.commit(put, *adoptions)
            except StaleWrite:
                continue
            await self._targets.admit(resolved, _sequence(stored))
            return resolved

    async def request(self, campaign_id: str, customer_id: str, trigger: Trigger) -> Campaign:
        """Start or stop a campaign; the gate has moved before this returns.

        Raises:
            Missing: There is no such campaign.
            Conflict: It lacks what it needs to dial.
        """
        try:
            return await self._move(
                campaign_id, customer_id, lambda one, at: transition(one, trigger, at)
            )
        except CannotStart as reason:
            raise Conflict(str(reason)) from reason

    async def _move(
        self,
        campaign_id: str,
        customer_id: str,
        decide: Callable[[Campaign, datetime], tuple[Campaign, Any]],
    ) -> Campaign:
        while True:
            stored = await self._definitions.get(CAMPAIGN, campaign_id, customer_id)
            fresh = stored
            if stored.item.status is CampaignStatus.STOP:
                resolved, _ = await self._resolve(stored.item, stored.item)
                fresh = Stored(resolved, stored.version)
            after, told = decide(fresh.item, now())
            if told is None:
                return stored.item
            try:
                await self._definitions.commit(Put(CAMPAIGN, after, stored.version, told))
            except StaleWrite:
                continue
            await self._targets.admit(after, _sequence(stored))
            log.info(
                "campaign moved",
                campaign_id=campaign_id,
                status=after.status.value,
                cause=told.cause.value,
            )
            return after

    async def on_dialing(self, fact: DialingExhausted | DialingDrained, customer_id: str) -> None:
        """Take what the dialer says a run has come to."""
        is_exhausted = isinstance(fact, DialingExhausted)
        trigger = Trigger.EXHAUSTED if is_exhausted else Trigger.DRAINED
        try:
            after = await self._move(
                fact.campaign_id,
                customer_id,
                lambda one, at: transition(one, trigger, at, run_number=fact.run_number),
            )
        except Missing:
            log.info("run of a campaign that is gone", campaign_id=fact.campaign_id)
            return
        is_over = after.status is CampaignStatus.STOP and after.run_number == fact.run_number
        if is_exhausted and is_over and after.end_handle is EndHandle.STOP:
            await self._chain(after)

    async def _chain(self, ended: Campaign) -> None:
        """Start what follows. A repeated fact finds it running, or already run to its end."""
        following = ended.next_campaign_id
        if following is None:
            return

        def decide(one: Campaign, at: datetime) -> tuple[Campaign, Any]:
            changed_since = (one.updated_at or one.created_at) > (ended.updated_at or at)
            if changed_since and one.run_number > 0 and one.status is CampaignStatus.STOP:
                return one, None  # it was started by this end, and has ended
            return transition(one, Trigger.RUN_REQUESTED, at, cause=StatusCause.CHAINED)

        try:
            await self._move(following, ended.customer_id, decide)
        except (Missing, CannotStart) as reason:
            log.warning("next campaign not started", campaign_id=following, why=str(reason))

    async def delete(self, campaign_id: str, customer_id: str) -> Campaign:
        """Delete a stopped campaign and let its outdial go.

        Raises:
            Missing: There is no such campaign.
            Conflict: It is not stopped.
        """
        while True:
            stored = await self._definitions.get(CAMPAIGN, campaign_id, customer_id)
            if stored.item.status is not CampaignStatus.STOP:
                raise Conflict("stop the campaign before you delete it")
            at = now()
            deleted = stored.item.model_copy(update={"deleted_at": at, "updated_at": at})
            releases = await self._release(stored.item.outdial_id, campaign_id)
            put = Put(CAMPAIGN, deleted, stored.version, CampaignDeleted(campaign=deleted))
            try:
                await self._definitions.commit(put, *releases)
            except StaleWrite:
                continue
            await self._targets.admit(deleted, _sequence(stored))
            return deleted

    async def follow_outplan(self, outplan: Outplan) -> None:
        """Give a changed outplan to the campaigns that dial by it."""
        for campaign in await self._definitions.every(CAMPAIGN, outplan.customer_id):
            if campaign.outplan_id == outplan.id:
                await self.update(campaign.campaign_id, campaign.customer_id, {})

    # ---- what a campaign names

    async def _resolve(
        self, campaign: Campaign, before: Campaign | None
    ) -> tuple[Campaign, list[Put]]:
        """Return the campaign with its outplan filled in, and the outdials it takes or lets go."""
        customer_id = campaign.customer_id
        outplan = await self._named(OUTPLAN, "outplan_id", campaign.outplan_id, customer_id)
        await self._named(QUEUE, "queue_id", campaign.queue_id, customer_id)
        await self._check_chain(campaign)
        puts: list[Put] = []
        outdial = await self._named(OUTDIAL, "outdial_id", campaign.outdial_id, customer_id)
        if outdial is not None:
            owner = outdial.item.campaign_id
            if owner not in (None, campaign.campaign_id):
                raise Invalid("outdial_id", "it belongs to another campaign")
            if owner is None:
                puts.append(_owned(outdial, campaign.campaign_id))
        if before is not None and before.outdial_id not in (None, campaign.outdial_id):
            puts += await self._release(before.outdial_id, campaign.campaign_id)
        return campaign.model_copy(update={"outplan": outplan.item if outplan else None}), puts

    async def _named(self, kind: Any, field: str, id_: str | None, customer_id: str) -> Any:
        if id_ is None:
            return None
        try:
            return await self._definitions.get(kind, id_, customer_id)
        except Missing as missing:
            raise Invalid(field, str(missing)) from missing

    async def _check_chain(self, campaign: Campaign) -> None:
        following = campaign.next_campaign_id
        if following is None:
            return
        if following != campaign.campaign_id:
            await self._named(CAMPAIGN, "next_campaign_id", following, campaign.customer_id)
        all_campaigns = await self._definitions.every(CAMPAIGN, campaign.customer_id)
        links = {one.campaign_id: one.next_campaign_id for one in all_campaigns}
        if closes_cycle(campaign.campaign_id, following, links):
            raise Invalid("next_campaign_id", "the campaigns would start each other for ever")

    async def _release(self, outdial_id: str | None, campaign_id: str) -> list[Put]:
        stored = await self._definitions.find(OUTDIAL, outdial_id) if outdial_id else None
        if stored is None or stored.item.campaign_id != campaign_id:
            return []
        return [_owned(stored, None)]


def _owned(outdial: Stored[Outdial], campaign_id: str | None) -> Put:
    adopted = outdial.item.model_copy(update={"campaign_id": campaign_id, "updated_at": now()})
    return Put(OUTDIAL, adopted, outdial.version)


def _sequence(stored: Stored[Campaign]) -> int:
    return (stored.version + 1) * MESSAGES_PER_COMMIT
