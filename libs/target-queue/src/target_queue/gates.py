"""Gates: whether and how fast a campaign may dial, kept where its targets are.

The claim script reads the gate, so a closed one stops every worker at once, whatever each of them
believes. It moves only forward: an older sequence than the stored one changes nothing.
"""

from contracts.campaign import Campaign, CampaignStatus
from pydantic import BaseModel, ConfigDict


class Gate(BaseModel):
    """What the claim script and the dialer must know of a campaign."""

    model_config = ConfigDict(frozen=True)

    sequence: int
    is_open: bool
    run_number: int
    max_concurrent_calls: int
    calls_per_second: int
    campaign: Campaign


def gate_of(campaign: Campaign, sequence: int) -> Gate:
    """Return the gate of a campaign as of a sequence of its events."""
    return Gate(
        sequence=sequence,
        is_open=campaign.status is CampaignStatus.RUN and campaign.deleted_at is None,
        run_number=campaign.run_number,
        max_concurrent_calls=campaign.limits.max_concurrent_calls,
        calls_per_second=campaign.limits.calls_per_second,
        campaign=campaign,
    )
