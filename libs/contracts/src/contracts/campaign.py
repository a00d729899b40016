"""Campaigns: the resolved campaign, the facts of its life, and the commands from outside."""

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Discriminator, Field, Tag, model_validator

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


class AmbiguousHandle(StrEnum):
    """What happens to an attempt of which nobody can say whether it rang."""

    COUNT = "count"
    REDIAL = "redial"


class Weekday(StrEnum):
    """A day of the week, as the called party's calendar has it."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"


class CallingHours(Value):
    """One window in which calls may begin: from its opening until just before its closing."""

    days: tuple[Weekday, ...] = Field(min_length=1)
    opens_minute: int = Field(ge=0, lt=1440, description="Minute of the day by the clock there.")
    closes_minute: int = Field(gt=0, le=1440, description="The first that is too late.")

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.closes_minute <= self.opens_minute:
            raise ValueError("closes before it opens")
        return self


class CampaignLimits(Value):
    """Hard limits of one campaign over all workers together."""

    max_concurrent_calls: int = Field(default=10, ge=1)
    calls_per_second: int = Field(default=5, ge=1, description="In any rolling second.")
    attempts_per_number_day: int | None = Field(
        default=None, ge=1, description="In any rolling 24 hours; none: no limit."
    )
    attempts_per_number_week: int | None = Field(
        default=None, ge=1, description="In any rolling 7 days; none: no limit."
    )


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
    calling_hours: tuple[CallingHours, ...] | None = Field(
        default=None, min_length=1, description="When calls may begin; none: at any time."
    )
    calling_zone: str | None = Field(
        default=None, description="IANA zone of the hours; none: the called party's own."
    )
    ambiguous_handle: AmbiguousHandle = AmbiguousHandle.COUNT
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
