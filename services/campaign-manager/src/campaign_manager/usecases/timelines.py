"""Timelines: what the log tells of a campaign, a target or a call, for whom it belongs to."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter

from contracts.call import Attempt
from contracts.target import FORGOTTEN, Destination
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    CAMPAIGN_EVENTS,
    DIALING_EVENTS,
    FLOW_COMMANDS,
    FLOW_EVENTS,
    TARGET_EVENTS,
)

from campaign_manager.domain.timelines import Cursor, TimelineEvent
from campaign_manager.ports import Log, Place, TargetQueue
from campaign_manager.usecases.campaigncalls import CampaignCalls
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Conflict, Missing
from campaign_manager.usecases.kinds import CAMPAIGN, OUTDIAL

ASKEW = timedelta(minutes=5)
"""How much earlier than decided the log's clock may say that something was told."""
READ_WITHIN_S = 20.0
OF_CAMPAIGN = (CAMPAIGN_EVENTS, DIALING_EVENTS)
OF_CALL = (CALL_EVENTS, CALL_COMMANDS, FLOW_COMMANDS, FLOW_EVENTS)


@dataclass(frozen=True, slots=True)
class Timeline:
    """Where the log tells of something, and from when on; `only` names an attempt."""

    places: tuple[Place, ...]
    since: datetime
    only: str | None = None


class Timelines:
    """The timelines of all customers' things."""

    def __init__(
        self,
        log: Log,
        definitions: Definitions,
        queue: TargetQueue,
        campaigncalls: CampaignCalls,
    ) -> None:
        self._log = log
        self._definitions = definitions
        self._queue = queue
        self._campaigncalls = campaigncalls

    async def of_campaign(self, campaign_id: str, customer_id: str) -> Timeline:
        """Return the timeline of a campaign, a deleted one too.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        stored = await self._definitions.get(
            CAMPAIGN, campaign_id, customer_id, is_deleted_shown=True
        )
        places = tuple((topic, campaign_id) for topic in OF_CAMPAIGN)
        return Timeline(places, stored.item.created_at)

    async def of_target(self, target_id: str, customer_id: str) -> Timeline:
        """Return the timeline of a target.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        outdials = await self._definitions.every(OUTDIAL, customer_id)
        target = await self._queue.find(target_id, [outdial.id for outdial in outdials])
        if target is None:
            raise Missing("target")
        _check_known(target.destinations)
        return Timeline(((TARGET_EVENTS, target_id),), target.created_at)

    async def of_call(self, attempt_id: str, customer_id: str) -> Timeline:
        """Return the timeline of a call: of its attempt, and of its flow.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        attempt = await self._attempt(attempt_id, customer_id)
        places = tuple((topic, attempt_id) for topic in OF_CALL)
        return Timeline(places, attempt.created_at)

    async def of_everything(self, attempt_id: str, customer_id: str) -> Timeline:
        """Return the timeline of a call with what became of its target.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        attempt = await self._attempt(attempt_id, customer_id)
        places = tuple((topic, attempt_id) for topic in OF_CALL)
        return Timeline(
            (*places, (TARGET_EVENTS, attempt.target_id)), attempt.created_at, only=attempt_id
        )

    async def _attempt(self, attempt_id: str, customer_id: str) -> Attempt:
        call = await self._campaigncalls.get(attempt_id, customer_id)
        if call.attempt is None:
            raise Missing("campaigncall")
        _check_known((call.attempt.destination,))
        return call.attempt

    async def so_far(self, timeline: Timeline) -> list[TimelineEvent]:
        """Return all events of a timeline up to now, oldest first.

        Raises:
            Conflict: The log is so long that reading it takes too long for an answer.
            aiokafka.errors.KafkaError: Kafka is away.
        """
        following = self.follow(timeline, None)
        try:
            async with asyncio.timeout(READ_WITHIN_S):
                return await anext(following)
        except TimeoutError as error:
            raise Conflict(
                "the log is too long to be read for an answer: `campaignctl trace` reads it"
            ) from error
        finally:
            await following.aclose()

    async def follow(
        self, timeline: Timeline, after: Cursor | None
    ) -> AsyncGenerator[list[TimelineEvent]]:
        """Yield the events after a cursor, oldest first: those so far at once, then what comes."""
        seen: set[str] = set()
        told: AsyncIterator[list[TimelineEvent]] = self._log.follow(
            timeline.places, timeline.since - ASKEW
        )
        async for events in told:
            fresh = []
            for event in sorted(events, key=attrgetter("order")):
                is_ours = timeline.only is None or timeline.only == event.correlation_id
                if is_ours and event.id not in seen and (after is None or event.order > after):
                    fresh.append(event)
                seen.add(event.id)
            yield fresh


def _check_known(destinations: Sequence[Destination]) -> None:
    """Kafka keeps the story for a while yet, with whom it is about.

    Raises:
        Conflict: That party was forgotten.
    """
    if any(one.address == FORGOTTEN for one in destinations):
        raise Conflict("the party was forgotten: its story is not shown")
