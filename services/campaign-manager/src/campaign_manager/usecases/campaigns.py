"""Campaigns: created, changed, started, stopped, chained and deleted."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import structlog
from chassis.outbox import Guard, StaleWrite
from contracts.base import Message
from contracts.campaign import (
    Campaign,
    CampaignCreated,
    CampaignDeleted,
    CampaignStatus,
    CampaignStatusChanged,
    CampaignUpdated,
    StatusCause,
)
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.resources import Outplan

from campaign_manager.domain.obstacles import obstacle_of
from campaign_manager.domain.revisions import removed, revise
from campaign_manager.domain.status import CannotStart, Trigger, starts_next, transition
from campaign_manager.ports import TargetQueue
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Conflict, Invalid
from campaign_manager.usecases.kinds import (
    CAMPAIGN,
    OUTDIAL,
    OUTPLAN,
    QUEUE,
    Kind,
    Put,
    Stored,
    now,
)
from campaign_manager.usecases.references import Named, References

log = structlog.get_logger()

NAMES: tuple[tuple[str, Kind[Any]], ...] = (
    ("outdial_id", OUTDIAL),
    ("outplan_id", OUTPLAN),
    ("queue_id", QUEUE),
)


class Campaigns:
    """The campaigns of all customers."""

    def __init__(
        self, definitions: Definitions, references: References, targets: TargetQueue
    ) -> None:
        self._definitions = definitions
        self._references = references
        self._targets = targets

    async def create(self, campaign: Campaign) -> Campaign:
        """Store a new campaign, which adopts its outdial; one that is there is left as it is.

        Raises:
            Invalid: Something that it names does not exist or cannot be its.
        """
        while True:
            if (there := await self._definitions.find(CAMPAIGN, campaign.campaign_id)) is not None:
                return there.item
            named = await self._checked(None, campaign)
            after = campaign.model_copy(update={"outplan": named.outplan})
            put = Put(CAMPAIGN, after, 0, (CampaignCreated(campaign=after),))
            try:
                await self._definitions.commit(
                    put,
                    *await self._adoptions(None, after, named),
                    writes=await self._references.reindex(None, after),
                    guards=named.guards + await self._references.check_chain(after),
                )
            except StaleWrite:
                continue
            return after

    async def update(
        self,
        campaign_id: str,
        customer_id: str,
        changes_of: Callable[[Campaign], Mapping[str, Any]] = lambda _: {},
        trigger: Trigger | None = None,
        cause: str | None = None,
    ) -> Campaign:
        """Change what is named and nothing else, and start or stop, all of it in one step.

        Args:
            campaign_id: The campaign.
            customer_id: Whose it must be.
            changes_of: Says what changes, given how it is.
            trigger: A start or a stop, if one is asked for.
            cause: Id of the message that asks for it, if one does.

        The gate has moved before this returns: nothing is claimed after a stop was acknowledged.

        Raises:
            Missing: There is no such campaign.
            Invalid: Something that it names does not exist or cannot be its.
            Conflict: It lacks what it needs to dial, or a live campaign would.
        """
        while True:
            stored = await self._definitions.get(CAMPAIGN, campaign_id, customer_id)
            before = stored.item
            changes = changes_of(before)
            wanted = before.model_copy(update=dict(changes))
            named = await self._checked(before, wanted)
            at = now()
            after = revise(before, {**changes, "outplan": named.outplan}, at)
            facts: list[Message] = [CampaignUpdated(campaign=after)] if after is not before else []
            guards = named.guards
            if wanted.next_campaign_id != before.next_campaign_id:
                guards += await self._references.check_chain(after)
            if facts and before.status is not CampaignStatus.STOP:
                _keep_dialable(after, named)
            after, told = _moved(after, named, trigger, at)
            facts += [told] if told else []
            if not facts:
                return before
            put = Put(CAMPAIGN, after, stored.version, tuple(facts), cause)
            try:
                await self._definitions.commit(
                    put,
                    *await self._adoptions(before, after, named),
                    writes=await self._references.reindex(before, after),
                    guards=guards,
                )
            except StaleWrite:
                continue
            await self._admit(put)
            return after

    async def on_dialing(
        self, fact: DialingExhausted | DialingDrained, customer_id: str, cause: str
    ) -> None:
        """Take what the dialer says a run has come to; what follows starts in the same step."""
        is_exhausted = isinstance(fact, DialingExhausted)
        trigger = Trigger.EXHAUSTED if is_exhausted else Trigger.DRAINED
        while True:
            stored = await self._definitions.find(CAMPAIGN, fact.campaign_id)
            if stored is None or stored.item.customer_id != customer_id:
                log.warning("run of an unknown campaign", campaign_id=fact.campaign_id)
                return
            at = now()
            after, told = transition(stored.item, trigger, at, run_number=fact.run_number)
            if told is None:
                return
            puts = [Put(CAMPAIGN, after, stored.version, (told,), cause)]
            guards: tuple[Guard, ...] = ()
            if starts_next(told) and after.next_campaign_id:
                following, guards = await self._following(after, at, cause)
                puts += following
            try:
                await self._definitions.commit(*puts, guards=guards)
            except StaleWrite:
                continue
            for put in puts:
                await self._admit(put)
            return

    async def _following(
        self, ended: Campaign, at: datetime, cause: str
    ) -> tuple[list[Put], tuple[Guard, ...]]:
        """Return the start of the campaign that follows one that has ended, if it can start."""
        stored = await self._definitions.find(CAMPAIGN, ended.next_campaign_id or "")
        if stored is None or stored.item.deleted_at or stored.item.customer_id != ended.customer_id:
            log.warning("next campaign is gone", campaign_id=ended.next_campaign_id)
            return [], ()
        named = await self._references.named(stored.item)
        resolved = stored.item.model_copy(update={"outplan": named.outplan})
        try:
            after, told = transition(
                resolved,
                Trigger.RUN_REQUESTED,
                at,
                cause=StatusCause.CHAINED,
                obstacle=_obstacle(resolved, named),
            )
        except CannotStart as why:
            log.warning(
                "next campaign not started", campaign_id=ended.next_campaign_id, why=str(why)
            )
            return [], ()
        puts = [Put(CAMPAIGN, after, stored.version, (told,), cause)] if told else []
        return puts, named.guards

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
            after = removed(stored.item, now())
            put = Put(CAMPAIGN, after, stored.version, (CampaignDeleted(campaign=after),))
            try:
                await self._definitions.commit(
                    put,
                    *await self._released(after),
                    writes=await self._references.reindex(stored.item, after),
                )
            except StaleWrite:
                continue
            await self._admit(put)
            return after

    async def redrawn(self, outplan: Outplan) -> tuple[list[Put], tuple[Guard, ...]]:
        """Return the campaigns that dial by an outplan, with the outplan as it will be.

        Raises:
            Conflict: One of them runs, and could not under the new outplan.
        """
        users, guard = await self._references.users(OUTPLAN, outplan.id)
        puts: list[Put] = []
        for stored in users:
            resolved = None if outplan.deleted_at else outplan
            after = revise(stored.item, {"outplan": resolved}, now())
            named = await self._references.named(after)
            if after.status is not CampaignStatus.STOP:
                _keep_dialable(after, named)
            put = Put(CAMPAIGN, after, stored.version, (CampaignUpdated(campaign=after),))
            puts.append(put)
        return puts, (guard,)

    async def announce(self, puts: list[Put]) -> None:
        """Move the gates of campaigns that have been written."""
        for put in puts:
            await self._admit(put)

    async def _admit(self, put: Put) -> None:
        campaign: Campaign = put.item
        await self._targets.admit(campaign, put.sequence)
        log.info(
            "campaign changed",
            campaign_id=campaign.campaign_id,
            status=campaign.status.value,
            told=[fact.type for fact in put.told],
        )

    # ---- what a campaign names

    async def _checked(self, before: Campaign | None, wanted: Campaign) -> Named:
        """Load what a campaign names; whatever it did not name before must be there."""
        for field, kind in NAMES:
            if before is None or getattr(wanted, field) != getattr(before, field):
                await self._definitions.require(
                    kind, getattr(wanted, field), wanted.customer_id, field
                )
        named = await self._references.named(wanted)
        is_other = before is None or wanted.outdial_id != before.outdial_id
        if is_other and named.is_taken:
            raise Invalid("outdial_id", "it belongs to another campaign")
        if before and is_other and before.status is not CampaignStatus.STOP:
            raise Conflict("stop the campaign before you change its outdial")
        return named

    async def _adoptions(self, before: Campaign | None, after: Campaign, named: Named) -> list[Put]:
        """Return the outdials that a campaign takes and lets go."""
        puts: list[Put] = []
        if before is not None and before.outdial_id != after.outdial_id:
            puts += await self._released(before)
        outdial = named.outdial
        if outdial and outdial.item.campaign_id != after.campaign_id:
            item = revise(outdial.item, {"campaign_id": after.campaign_id}, now())
            puts.append(Put(OUTDIAL, item, outdial.version))
        return puts

    async def _released(self, campaign: Campaign) -> list[Put]:
        stored = await self._definitions.find(OUTDIAL, campaign.outdial_id or "")
        if stored is None or stored.item.campaign_id != campaign.campaign_id:
            return []
        return [Put(OUTDIAL, revise(stored.item, {"campaign_id": None}, now()), stored.version)]


def _obstacle(campaign: Campaign, named: Named) -> str | None:
    outdial: Stored[Any] | None = named.outdial
    return obstacle_of(campaign, outdial=outdial.item if outdial else None, queue=named.queue)


def _keep_dialable(campaign: Campaign, named: Named) -> None:
    """A live campaign must stay one that can dial.

    Raises:
        Conflict: It could not any more.
    """
    if obstacle := _obstacle(campaign, named):
        raise Conflict(
            f"campaign {campaign.campaign_id} is live, and then could not be: {obstacle}"
        )


def _moved(
    campaign: Campaign, named: Named, trigger: Trigger | None, at: datetime
) -> tuple[Campaign, CampaignStatusChanged | None]:
    """Return the campaign after a client's trigger.

    Raises:
        Conflict: It lacks what it needs to start.
    """
    if trigger is None:
        return campaign, None
    try:
        return transition(campaign, trigger, at, obstacle=_obstacle(campaign, named))
    except CannotStart as why:
        raise Conflict(str(why)) from why
