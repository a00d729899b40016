"""What can happen to a flow run, and what a step of it asks for."""

from dataclasses import dataclass

from contracts.actions import Action
from contracts.call import CallRequest
from contracts.flow import FlowFact
from contracts.resources import Address


@dataclass(frozen=True, slots=True)
class Started:
    """The party has answered, or a run without a call was asked for."""


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """The party has pressed a key."""

    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A playback has ended, was stopped, or could not be played."""

    playback_id: str
    is_failed: bool = False


@dataclass(frozen=True, slots=True)
class TimerFired:
    """A time that a step has set has come."""

    timer: str


@dataclass(frozen=True, slots=True)
class PromptMade:
    """The text of a `Speak` has been spoken to a file."""

    playback_id: str
    media_url: str
    duration_ms: int


@dataclass(frozen=True, slots=True)
class QueueFound:
    """The answer to a `FindQueue`: what a party hears while waiting, and how long (0: for ever)."""

    queue_id: str
    name: str = ""
    detail: str = ""
    wait_limit_ms: int = 0
    prompts: tuple[Action, ...] = ()


@dataclass(frozen=True, slots=True)
class QueueMissing:
    """The other answer to a `FindQueue`."""

    queue_id: str


@dataclass(frozen=True, slots=True)
class AgentAssigned:
    """An agent has been locked for this party."""

    agent_id: str
    leg_id: str
    address: Address


@dataclass(frozen=True, slots=True)
class Bridged:
    """The party talks to the agent."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class BridgeFailed:
    """The agent did not answer."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class Unbridged:
    """The agent has left."""

    leg_id: str


@dataclass(frozen=True, slots=True)
class HungUp:
    """The call is over."""


Event = (
    Started
    | DigitPressed
    | PlaybackFinished
    | TimerFired
    | PromptMade
    | QueueFound
    | QueueMissing
    | AgentAssigned
    | Bridged
    | BridgeFailed
    | Unbridged
    | HungUp
)


@dataclass(frozen=True, slots=True)
class Say:
    """Publish a command or a fact."""

    message: CallRequest | FlowFact


@dataclass(frozen=True, slots=True)
class Speak:
    """Speak a text to a file: `PromptMade` or a failed `PlaybackFinished` is the answer."""

    playback_id: str
    text: str
    language: str
    voice: str


@dataclass(frozen=True, slots=True)
class FindQueue:
    """Look a queue up: `QueueFound` or `QueueMissing` is the answer."""

    queue_id: str


@dataclass(frozen=True, slots=True)
class SetTimer:
    """Have `TimerFired` come back after some milliseconds; one of the same name is replaced."""

    timer: str
    after_ms: int


@dataclass(frozen=True, slots=True)
class CancelTimer:
    """Let a timer be forgotten."""

    timer: str


@dataclass(frozen=True, slots=True)
class JoinQueue:
    """Stand in the queue, or keep the place: saying it again changes nothing.

    `failed_leg_id` names the last call to an agent that came to nothing: that agent gets a short
    rest, and the party has its old place again.
    """

    queue_id: str
    failed_leg_id: str = ""


@dataclass(frozen=True, slots=True)
class LeaveQueue:
    """Leave every queue and free the agent.

    `failed_agent_id` names one who did not answer: that agent gets a short rest.
    """

    failed_agent_id: str = ""


Effect = Say | Speak | FindQueue | SetTimer | CancelTimer | JoinQueue | LeaveQueue
