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
        Trigger.DRAINED: RUN,  # of a stop that was taken back
    },
    STOPPING: {
        Trigger.RUN_REQUESTED: RUN,  # the stop is taken back
        Trigger.STOP_REQUESTED: STOPPING,
        Trigger.EXHAUSTED: STOPPING,  # asked for before: the drain follows, the next does not start
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
) -> tuple[Campaign, CampaignStatusChanged | None]:
    """Return the campaign after a trigger, and the fact to publish if its status has changed.

    Args:
        campaign: As it is.
        trigger: What has happened.
        at: When, aware.
        run_number: The run that the dialer speaks of; None for a client's request.
        cause: Why, where the trigger does not say it.

    Raises:
        CannotStart: It has no outdial or no outplan.
    """
    if run_number is not None and run_number != campaign.run_number:
        return campaign, None
    status = TRANSITIONS[campaign.status][trigger]
    if status is campaign.status:
        return campaign, None
    if status is RUN:
        _require_startable(campaign)
    is_new_run = campaign.status is STOP
    after = campaign.model_copy(
        update={
            "status": status,
            "run_number": campaign.run_number + (1 if is_new_run else 0),
            "updated_at": at,
        }
    )
    told = CampaignStatusChanged(
        campaign=after, before=campaign.status, cause=cause or CAUSES[trigger]
    )
    return after, told


def _require_startable(campaign: Campaign) -> None:
    missing = [
        name
        for name, value in (("outdial_id", campaign.outdial_id), ("outplan_id", campaign.outplan))
        if value is None
    ]
    if missing:
        raise CannotStart(f"the campaign has no {' and no '.join(missing)}")
