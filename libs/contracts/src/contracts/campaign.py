"""Campaigns: the resolved campaign, the facts of its life, and the commands from outside."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Discriminator, Field, Tag

from contracts.actions import Action
from contracts.base import (
    CampaignId,
    CustomerId,
    Message,
    OutdialId,
    QueueId,
    Unrecognized,
    Value,
    known_among,
)
from contracts.resources import Outplan


class CampaignKind(StrEnum):
    """Whether an attempt makes a call or only runs the flow."""

    CALL = "call"
    FLOW = "flow"


class CampaignStatus(StrEnum):
    """Where a campaign is in its life."""

    STOP = "stop"
    RUN = "run"
    STOPPING = "stopping"


class EndHandle(StrEnum):
    """What happens when nothing is left to dial."""

    STOP = "stop"
    CONTINUE = "continue"


class StatusCause(StrEnum):
    """Why a campaign's status changed."""

    REQUESTED = "requested"
    EXHAUSTED = "exhausted"
    DRAINED = "drained"
    CHAINED = "chained"


class CampaignLimits(Value):
    """Hard limits of one campaign over all workers together."""

    max_concurrent_calls: int = Field(default=10, ge=1)
    calls_per_second: int = Field(default=5, ge=1, description="In any rolling second.")


class Campaign(Value):
    """A campaign with all that a consumer needs to dial it: nobody has to ask back."""

    campaign_id: CampaignId
    customer_id: CustomerId
    kind: CampaignKind = CampaignKind.CALL
    name: str = ""
    detail: str = ""
    status: CampaignStatus = CampaignStatus.STOP
    run_number: int = Field(default=0, description="Grows with each start; names the run.")
    dial_ratio_percent: int = Field(
        default=0, ge=0, description="Dialing calls allowed per 100 available agents of the queue."
    )
    end_handle: EndHandle = EndHandle.STOP
    actions: tuple[Action, ...] | None = Field(
        default=None, description="As the client sent them; without the final queue_join."
    )
    outdial_id: OutdialId | None = None
    outplan_id: str | None = None
    outplan: Outplan | None = Field(default=None, description="The outplan, resolved.")
    queue_id: QueueId | None = None
    next_campaign_id: CampaignId | None = None
    limits: CampaignLimits = CampaignLimits()
    created_at: AwareDatetime
    updated_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None


class CampaignCreated(Message):
    type: Literal["campaign.created"] = "campaign.created"
    campaign: Campaign


class CampaignUpdated(Message):
    type: Literal["campaign.updated"] = "campaign.updated"
    campaign: Campaign


class CampaignStatusChanged(Message):
    type: Literal["campaign.status_changed"] = "campaign.status_changed"
    campaign: Campaign
    before: CampaignStatus
    cause: StatusCause


class CampaignDeleted(Message):
    type: Literal["campaign.deleted"] = "campaign.deleted"
    campaign: Campaign


CampaignFact = CampaignCreated | CampaignUpdated | CampaignStatusChanged | CampaignDeleted
CampaignEvent = Annotated[
    Annotated[CampaignFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(CampaignFact)),
]


class CampaignStart(Message):
    """Start a campaign: what PUT /campaigns/{id}/status with `run` does."""

    type: Literal["campaign.start"] = "campaign.start"
    campaign_id: CampaignId


class CampaignStop(Message):
    """Stop a campaign: what PUT /campaigns/{id}/status with `stop` does."""

    type: Literal["campaign.stop"] = "campaign.stop"
    campaign_id: CampaignId


CampaignRequest = CampaignStart | CampaignStop
CampaignCommand = Annotated[
    Annotated[CampaignRequest, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(CampaignRequest)),
]
