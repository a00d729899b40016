"""Why campaigns and targets are or are not dialed: ask queue and agents, let the domain say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from operator import attrgetter

from chassis.outbox import Outbox
from contracts.campaign import Campaign
from contracts.resources import Agent, AgentStatus
from contracts.target import Target
from target_queue import Pauses
from target_queue.counts import Counts, count
from target_queue.places import Place, place_of

from campaign_manager.domain.explanations import Explanation, Facts, Held, Obstacle, explain
from campaign_manager.domain.target_explanations import TargetExplanation, explain_target
from campaign_manager.ports import TargetQueue
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Missing
from campaign_manager.usecases.kinds import AGENT, CAMPAIGN, OUTDIAL, QUEUE, now


@dataclass(frozen=True, slots=True)
class Explained:
    """An explanation, the campaign it is of, and the instant at which it holds."""

    campaign: Campaign
    at: datetime
    facts: Facts
    explanation: Explanation


@dataclass(frozen=True, slots=True)
class ExplainedTarget:
    """An explanation, the target it is of, where that is, and the campaigns that call it."""

    target: Target
    place: Place
    campaigns: list[Explained]
    explanation: TargetExplanation


class Explanations:
    """Explains all customers' campaigns."""

    def __init__(
        self,
        outbox: Outbox,
        queue: TargetQueue,
        definitions: Definitions,
        engaged: Mapping[str, frozenset[str]],
    ) -> None:
        self._outbox = outbox
        self._queue = queue
        self._pauses = Pauses(outbox)
        self._definitions = definitions
        self._engaged = engaged

    async def campaign(self, campaign_id: str, customer_id: str) -> Explained:
        """Explain a campaign.

        Raises:
            Missing: There is no such campaign.
        """
        return await self._of(
            (await self._definitions.get(CAMPAIGN, campaign_id, customer_id)).item
        )

    async def target(self, target_id: str, customer_id: str) -> ExplainedTarget:
        """Explain a target of any outdial.

        Raises:
            Missing: There is no such target.
        """
        outdials = await self._definitions.every(OUTDIAL, customer_id)
        target = await self._queue.find(target_id, [outdial.id for outdial in outdials])
        if target is None or target.customer_id != customer_id:
            raise Missing("target")
        campaigns = [
            await self._of(campaign)
            for campaign in await self._definitions.every(CAMPAIGN, customer_id)
            if campaign.outdial_id == target.outdial_id
        ]
        ids = [one.campaign.campaign_id for one in campaigns]
        place = await place_of(self._outbox, target, ids)
        rows = [(one.campaign, one.explanation) for one in campaigns]
        return ExplainedTarget(target, place, campaigns, explain_target(target, place, rows))

    async def _of(self, campaign: Campaign) -> Explained:
        campaign_id = campaign.campaign_id
        counts = Counts(now(), 0, 0, None, None, (), 0, 0, 0)
        if campaign.outdial_id:
            counts = await count(self._outbox, campaign.outdial_id, campaign_id)
        facts = Facts(
            callable_now=counts.callable_now,
            due_later=counts.due_later,
            next_due_at=counts.next_due_at,
            next_retry_at=counts.next_retry_at,
            deferred=tuple(
                Held(Obstacle(one.rule.value), one.count, one.next_opening_at)
                for one in sorted(counts.deferred, key=attrgetter("next_opening_at"))
            ),
            under_way=counts.in_claim + counts.open_attempts,
            open_attempts=counts.open_attempts,
            rung_last_second=counts.rung_last_second,
            calls_allowed=await self._calls_allowed(campaign),
            paused_until=await self._pauses.until(),
        )
        return Explained(campaign, counts.at, facts, explain(campaign, facts))

    async def _calls_allowed(self, campaign: Campaign) -> int | None:
        """Return how many calls the queue's free agents allow; None without a queue."""
        if campaign.queue_id is None:
            return None
        stored = await self._definitions.find(QUEUE, campaign.queue_id)
        if stored is None or stored.item.deleted_at:
            return 0
        wanted = set(stored.item.tag_ids)
        free = [
            agent
            for agent in await self._definitions.every(AGENT, campaign.customer_id)
            if self._is_free(agent) and (not wanted or wanted & set(agent.tag_ids))
        ]
        return len(free) * campaign.dial_ratio_percent // 100

    def _is_free(self, agent: Agent) -> bool:
        is_engaged = any(agent.id in engaged for engaged in self._engaged.values())
        return agent.status is AgentStatus.AVAILABLE and not is_engaged
