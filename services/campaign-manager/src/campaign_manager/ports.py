"""What the campaign-manager needs from outside: the queue that dialers claim from, the lists."""

from collections.abc import AsyncGenerator, Collection, Iterable, Sequence
from datetime import datetime
from typing import Protocol

from contracts.campaign import Campaign
from contracts.target import Target
from contracts.topics import Topic
from target_queue import Rule

from campaign_manager.domain.timelines import TimelineEvent

Place = tuple[Topic, str]
"""A topic, and the key under which something is told there."""


class TargetQueue(Protocol):
    """The targets of outdials, and the gates of campaigns."""

    async def add(
        self, outdial_id: str, customer_id: str, targets: Sequence[Target]
    ) -> list[Target]:
        """Add targets and return them as stored, once they are durable."""

    async def get(self, outdial_id: str, target_id: str) -> Target | None:
        """Return a target, or None."""

    async def find(self, target_id: str, outdial_ids: Iterable[str]) -> Target | None:
        """Return a target of one of these outdials, or None."""

    async def page(self, outdial_id: str, before: datetime | None, size: int) -> list[Target]:
        """Return targets created before an instant, newest first."""

    async def delete(self, outdial_id: str, target_id: str) -> Target | None:
        """Mark a target deleted and return it, or None."""

    async def admit(self, campaign: Campaign, sequence: int) -> None:
        """Open or close a campaign's gate as of a sequence of its events."""


class Log(Protocol):
    """What was told of some keys."""

    def follow(
        self, places: Collection[Place], since: datetime
    ) -> AsyncGenerator[list[TimelineEvent]]:
        """Yield what was told so far, all at once, then what comes; nothing now and then."""


class Deferrals(Protocol):
    """The targets that rules have put off."""

    async def recall(self, outdial_id: str, rules: Iterable[Rule]) -> int:
        """Make all whom these rules have put off callable now; return how many there were."""

    async def recall_numbers(self, outdial_id: str, numbers: Collection[str]) -> int:
        """Recall those whom a do-not-call list has put off and who have one of these numbers."""


class Listings(Protocol):
    """The numbers of do-not-call lists."""

    async def change(
        self, customer_id: str, list_id: str, numbers: Iterable[str], *, is_listed: bool
    ) -> int:
        """Put numbers on a list or take them off; return how many were not so, once durable."""

    async def clear(self, customer_id: str, list_id: str) -> None:
        """Take every number off a list."""

    async def has(self, customer_id: str, list_id: str, number: str) -> bool:
        """Whether a number is on a list."""

    async def page(self, list_id: str, after: str, size: int) -> list[str]:
        """Return numbers of a list that stand after one, in their order."""
