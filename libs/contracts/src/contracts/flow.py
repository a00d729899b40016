"""Flow runs: what a run tells, and how one is started without a call."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from contracts.actions import Action
from contracts.base import AttemptId, CampaignId, Message, Unrecognized, known_among


class OfRun(Message):
    """What every fact of a flow run says first; a run has the id of its attempt."""

    attempt_id: AttemptId
    campaign_id: CampaignId


class FlowStarted(OfRun):
    type: Literal["flow.started"] = "flow.started"


class ActionStarted(OfRun):
    type: Literal["flow.action_started"] = "flow.action_started"
    action_id: str
    action_type: str
    position: int = Field(description="Place in the list, from 0.")


class ActionFinished(OfRun):
    type: Literal["flow.action_finished"] = "flow.action_finished"
    action_id: str
    action_type: str
    position: int
    how: str = Field(description="finished, failed, interrupted, timeout, skipped.")


class VariablesSet(OfRun):
    type: Literal["flow.variables_set"] = "flow.variables_set"
    variables: dict[str, str]


class FlowFinished(OfRun):
    type: Literal["flow.finished"] = "flow.finished"
    how: str = Field(description="completed, hung_up, failed.")
    is_success: bool


FlowFact = FlowStarted | ActionStarted | ActionFinished | VariablesSet | FlowFinished
FlowEvent = Annotated[
    Annotated[FlowFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(FlowFact)),
]


class FlowStart(OfRun):
    """Start a run for a destination without a call (campaigns of kind `flow`)."""

    type: Literal["flow.start"] = "flow.start"
    actions: tuple[Action, ...]
    variables: dict[str, str] = Field(default_factory=dict)


FlowRequest = FlowStart
FlowCommand = Annotated[
    Annotated[FlowStart, Tag("known")] | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(FlowStart)),
]
