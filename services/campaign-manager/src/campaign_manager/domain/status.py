"""The campaign's life: which triggers move it, and what must then be told.

Only this module changes a campaign's status. A trigger of the dialer names the run it speaks of;
one of an earlier run changes nothing.
"""

from datetime import datetime
from enum import StrEnum

from contracts.campaign import Campaign, CampaignStatus, CampaignStatusChanged, StatusCause


class Trigger(StrEnum):
    """What can move a campaign."""

    RUN_REQUESTED = "run_requested"
    STOP_REQUESTED = "stop_requested"
    EXHAUSTED = "exhausted"
    DRAINED = "drained"


STOP, RUN, STOPPING = CampaignStatus.STOP, CampaignStatus.RUN, CampaignStatus.STOPPING

TRANSITIONS: dict[CampaignStatus, dict[Trigger, CampaignStatus]] = {
    STOP: {
        Trigger.RUN_REQUESTED: RUN,
        Trigger.STOP_REQUESTED: STOP,
        Trigger.EXHAUSTED: STOP,  # told before the stop was heard
        Trigger.DRAINED: STOP,  # delivered twice
    },
    RUN: {
        Trigger.RUN_REQUESTED: RUN,
        Trigger.STOP_REQUESTED: STOPPING,  # the dialer says when the last attempt has ended
        Trigger.EXHAUSTED: STOP,  # nothing is open any more, by definition
        Trigger.DRAINED: RUN,  # only a stopping campaign is drained
    },
    STOPPING: {
        Trigger.RUN_REQUESTED: RUN,  # the stop is taken back
        Trigger.STOP_REQUESTED: STOPPING,
        Trigger.EXHAUSTED: STOP,  # the stop was asked for while the last one ended
        Trigger.DRAINED: STOP,
    },
}

CAUSES = {
    Trigger.RUN_REQUESTED: StatusCause.REQUESTED,
    Trigger.STOP_REQUESTED: StatusCause.REQUESTED,
    Trigger.EXHAUSTED: StatusCause.EXHAUSTED,
    Trigger.DRAINED: StatusCause.DRAINED,
}


class CannotStart(Exception):
    """The campaign lacks something that it needs to dial; nothing has changed."""


def transition(
    campaign: Campaign,
    trigger: Trigger,
    at: datetime,
    *,
    run_number: int | None = None,
    cause: StatusCause | None = None,
    obstacle: str | None = None,
) -> tuple[Campaign, CampaignStatusChanged | None]:
    """Return the campaign after a trigger, and the fact to publish if its status has changed.

    Every way into `run` begins a new run, also the one out of `stopping`: what the dialer has told
    of the run before, or still will, can then end nothing any more.

    Args:
        campaign: As it is.
        trigger: What has happened.
        at: When, aware.
        run_number: The run that the dialer speaks of; None for a client's request.
        cause: Why, where the trigger does not say it.
        obstacle: What keeps it from dialing, if anything (see `obstacles`).

    Raises:
        CannotStart: It would start, but for the obstacle.
    """
    if run_number is not None and run_number != campaign.run_number:
        return campaign, None
    status = TRANSITIONS[campaign.status][trigger]
    if status is campaign.status:
        return campaign, None
    if status is RUN and obstacle is not None:
        raise CannotStart(obstacle)
    begun = campaign.run_number + (1 if status is RUN else 0)
    after = campaign.model_copy(update={"status": status, "run_number": begun, "updated_at": at})
    told = CampaignStatusChanged(
        campaign=after, before=campaign.status, cause=cause or CAUSES[trigger]
    )
    return after, told


def starts_next(told: CampaignStatusChanged) -> bool:
    """Whether what follows is to start: the list has run out, and nobody asked for a stop."""
    return told.cause is StatusCause.EXHAUSTED and told.before is RUN
