"""What the campaign-manager needs from outside: the queue that dialers claim targets from."""

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from contracts.campaign import Campaign
from contracts.target import Target


class TargetQueue(Protocol):
    """The targets of outdials, and the gates of campaigns."""

    async def add(
        self, outdial_id: str, customer_id: str, targets: Sequence[Target]
    ) -> list[Target]:
        """Add targets and return them as stored, once they are durable."""

    async def get(self, outdial_id: str, target_id: str) -> Target | None:
        """Return a target, or None."""

    async def page(self, outdial_id: str, before: datetime | None, size: int) -> list[Target]:
        """Return targets created before an instant, newest first."""

    async def delete(self, outdial_id: str, target_id: str) -> Target | None:
        """Mark a target deleted and return it, or None."""

    async def admit(self, campaign: Campaign, sequence: int) -> None:
        """Open or close a campaign's gate as of a sequence of its events."""
