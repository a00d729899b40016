"""Calls: the story of one attempt, and the commands a flow gives to its call.

One story is one attempt: the attempt id is subject, key and correlation id of all of these.
`at` instants are the gateway's; the envelope's time is the dialer's.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Discriminator, Field, Tag

from contracts.actions import Action
from contracts.base import (
    AgentId,
    AttemptId,
    CampaignId,
    CustomerId,
    Message,
    Milliseconds,
    OutdialId,
    QueueId,
    TargetId,
    Unrecognized,
    Value,
    known_among,
)
from contracts.resources import Address
from contracts.target import Destination, TargetStatus


class Outcome(StrEnum):
    """What an attempt meant for the campaign."""

    ANSWERED = "answered"
    BUSY = "busy"
    NO_ANSWER = "no_answer"
    REJECTED = "rejected"
    FAILED = "failed"
    CANCELLED = "cancelled"
    AMBIGUOUS = "ambiguous"


class Attempt(Value):
    """One try at one destination: all that was decided before the dial."""

    attempt_id: AttemptId
    customer_id: CustomerId
    campaign_id: CampaignId
    run_number: int
    outplan_id: str
    outdial_id: OutdialId
    target_id: TargetId
    queue_id: QueueId | None = None
    is_flow_only: bool = False
    destination: Destination
    source: Address | None = None
    attempt_number: int = Field(ge=1, description="Of this destination.")
    ring_timeout_ms: Milliseconds
    fence: int = Field(description="Number of the claim it was made under.")
    worker: str = Field(description="The dialer that places it.")
    created_at: AwareDatetime


class Pacing(Value):
    """What the dialer knew of a queue when it placed a call for it."""

    available_agents: int = Field(ge=0, description="Who could take a call.")
    waiting: int = Field(ge=0, description="Answered callers in the queue.")
    allowed: int = Field(ge=0, description="Calls that might dial for it then, this one included.")


class CallDialing(Message):
    """The durable intent: from here on the phone may ring."""

    type: Literal["call.dialing"] = "call.dialing"
    attempt: Attempt
    pacing: Pacing | None = Field(default=None, description="None: the campaign has no queue.")
    gateway_run: str = Field(
        default="",
        description="Which run of the gateway was there: another one knows nothing of the call.",
    )


class AboutAttempt(Message):
    """What every later fact of a call says first."""

    attempt_id: AttemptId
    campaign_id: CampaignId
    at: AwareDatetime


class CallRinging(AboutAttempt):
    type: Literal["call.ringing"] = "call.ringing"


class CallAnswered(AboutAttempt):
    """The party has answered; the flow to run comes along."""

    type: Literal["call.answered"] = "call.answered"
    actions: tuple[Action, ...]
    variables: dict[str, str] = Field(default_factory=dict)


class CallDigitPressed(AboutAttempt):
    type: Literal["call.digit_pressed"] = "call.digit_pressed"
    digit: str = Field(pattern=r"^[0-9A-D*#]$")


class CallPlaybackFinished(AboutAttempt):
    type: Literal["call.playback_finished"] = "call.playback_finished"
    playback_id: str
    is_failed: bool = False


class CallBridged(AboutAttempt):
    """The party talks to an agent."""

    type: Literal["call.bridged"] = "call.bridged"
    agent_id: AgentId
    leg_id: str = ""


class CallBridgeFailed(AboutAttempt):
    """The agent could not be reached, or hung up before the bridge stood."""

    type: Literal["call.bridge_failed"] = "call.bridge_failed"
    agent_id: AgentId
    leg_id: str = ""


class CallUnbridged(AboutAttempt):
    """The agent has left; the party is still there."""

    type: Literal["call.unbridged"] = "call.unbridged"
    agent_id: AgentId
    leg_id: str = ""


class CallHungUp(AboutAttempt):
    """The call is over."""

    type: Literal["call.hung_up"] = "call.hung_up"
    hangup_cause: int = Field(description="Q.850.")
    tech_cause: int | None = Field(default=None, description="SIP status, if one was given.")
    was_answered: bool | None = Field(
        default=None, description="By the gateway's call records; none: it told the end itself."
    )


class CallAdopted(AboutAttempt):
    """The worker that placed it has died or left; another answers for it now."""

    type: Literal["call.adopted"] = "call.adopted"
    worker: str
    is_doubtful: bool = Field(
        default=False, description="The former worker may have asked the network for it."
    )


class CallSettled(AboutAttempt):
    """The attempt has its outcome, and the target its next status."""

    type: Literal["call.settled"] = "call.settled"
    target_id: TargetId
    outcome: Outcome
    is_success: bool
    target_status: TargetStatus
    due_at: AwareDatetime | None = None


CallFact = (
    CallDialing
    | CallRinging
    | CallAnswered
    | CallDigitPressed
    | CallPlaybackFinished
    | CallBridged
    | CallBridgeFailed
    | CallUnbridged
    | CallHungUp
    | CallAdopted
    | CallSettled
)
CallEvent = Annotated[
    Annotated[CallFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(CallFact)),
]


class ToCall(Message):
    """What every command to a call says first."""

    attempt_id: AttemptId


class CallPlay(ToCall):
    type: Literal["call.play"] = "call.play"
    playback_id: str = Field(description="Chosen by the sender; names the playback in events.")
    media_url: str


class CallStopPlayback(ToCall):
    type: Literal["call.stop_playback"] = "call.stop_playback"
    playback_id: str


class CallBridge(ToCall):
    """Call an agent and connect the agent with the party."""

    type: Literal["call.bridge"] = "call.bridge"
    agent_id: AgentId
    leg_id: str = Field(description="Chosen by the sender; the agent's channel.")
    address: Address
    ring_timeout_ms: Milliseconds = 30_000


class CallHangUp(ToCall):
    type: Literal["call.hang_up"] = "call.hang_up"
    hangup_cause: int = 16


CallRequest = CallPlay | CallStopPlayback | CallBridge | CallHangUp
CallCommand = Annotated[
    Annotated[CallRequest, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(CallRequest)),
]
