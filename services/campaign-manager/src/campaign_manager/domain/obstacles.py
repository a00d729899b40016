"""What keeps a campaign from dialing, said so that its owner can mend it."""

from contracts.campaign import Campaign
from contracts.resources import Outdial, Queue


def obstacle_of(campaign: Campaign, *, outdial: Outdial | None, queue: Queue | None) -> str | None:
    """Return why a campaign cannot dial, or None if it can.

    An outplan without any attempt counts as an obstacle: under it every target would be finished
    without having been called once.

    Args:
        campaign: With its outplan resolved; None there if the outplan is gone.
        outdial: The one it names, if it is there and free for this campaign.
        queue: The one it names, if it is there.
    """
    outplan = campaign.outplan
    is_without_attempts = outplan is not None and not any(outplan.max_attempts)
    obstacles = {
        "the campaign has no outdial: set outdial_id": campaign.outdial_id is None,
        "the campaign's outdial was deleted or belongs to another campaign": outdial is None,
        "the campaign has no outplan: set outplan_id": campaign.outplan_id is None,
        "the campaign's outplan was deleted": outplan is None,
        "the campaign's outplan allows no attempt: every max_try_count is 0": is_without_attempts,
        "the campaign's queue was deleted": campaign.queue_id is not None and queue is None,
    }
    return next((why for why, is_so in obstacles.items() if is_so), None)
