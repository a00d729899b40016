"""Flow runs: what a run tells, what it has heard, and how one is started without a call.

What a run hears of its call stands in `call.events`. What it hears from elsewhere is told here, so
that the log holds every input of every step and the step can be taken again.
"""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from contracts.actions import Action
from contracts.base import (
    AgentId,
    AttemptId,
    CampaignId,
    Message,
    QueueId,
    Unrecognized,
    Value,
    known_among,
)
from contracts.resources import Address


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


class TimerHeard(Value):
    """A time that the run had set has come."""

    kind: Literal["timer"] = "timer"
    timer: str


class PromptHeard(Value):
    """A text was spoken to a file, or could not be."""

    kind: Literal["prompt"] = "prompt"
    playback_id: str
    media_url: str | None = Field(description="None: it could not be spoken.")
    duration_ms: int = 0


class QueueHeard(Value):
    """What a queue is, for a party who joins it."""

    kind: Literal["queue"] = "queue"
    queue_id: QueueId
    is_found: bool
    name: str = ""
    detail: str = ""
    wait_limit_ms: int = 0
    prompts: tuple[Action, ...] = ()


class AgentHeard(Value):
    """An agent has been locked for the party."""

    kind: Literal["agent"] = "agent"
    agent_id: AgentId
    leg_id: str
    address: Address


Heard = TimerHeard | PromptHeard | QueueHeard | AgentHeard


class FlowHeard(OfRun):
    """What a run has heard from elsewhere than its call, right before what it made of it."""

    type: Literal["flow.heard"] = "flow.heard"
    seen: int = Field(description="Sequence of the last message of its call before; -1: none.")
    heard: Heard = Field(discriminator="kind")


FlowFact = FlowStarted | ActionStarted | ActionFinished | VariablesSet | FlowFinished | FlowHeard
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
