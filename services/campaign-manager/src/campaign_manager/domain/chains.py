"""Campaigns that start each other: a chain may not come back to where it began."""

from collections.abc import Mapping


def closes_cycle(campaign_id: str, next_id: str, following: Mapping[str, str | None]) -> bool:
    """Whether `campaign_id` followed by `next_id` would lead back to `campaign_id`.

    Args:
        campaign_id: The campaign that is written.
        next_id: The one that is to follow it.
        following: What follows each campaign of the customer.
    """
    seen: set[str] = set()
    at: str | None = next_id
    while at is not None and at not in seen:
        if at == campaign_id:
            return True
        seen.add(at)
        at = following.get(at)
    return False
