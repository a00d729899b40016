"""A flow run: where it is, what it has gathered, and what it waits for. All of it is data."""

from collections.abc import Mapping
from typing import Literal

from contracts.actions import NIL_ID, Action
from contracts.base import Value
from contracts.call import CallAnswered
from contracts.flow import FlowStart
from pydantic import Field

DIGITS = "voipbin.call.digits"
LARGEST_COUNT = 100
"""Actions that one run may execute; after that it has failed."""


class ForPlayback(Value):
    """Waits for the end of a playback; `urls` are played after it.

    Attributes:
        is_asked: Its text is being spoken; nothing plays yet.
    """

    kind: Literal["playback"] = "playback"
    playback_id: str
    urls: tuple[str, ...] = ()
    is_skippable: bool = False
    is_async: bool = False
    is_asked: bool = False


class ForTime(Value):
    """Waits for a while."""

    kind: Literal["time"] = "time"


class ForDigits(Value):
    """Waits for keys."""

    kind: Literal["digits"] = "digits"
    end_keys: str
    length: int


class ForAgent(Value):
    """Waits in a queue; an agent has been assigned once `leg_id` is set.

    Attributes:
        is_found: The queue is there and the party stands in it.
        last_leg_id: The last agent's channel that came to nothing.
        is_overdue: The party has waited long enough: no other agent is tried.
        prompts: What the party hears meanwhile, over and over.
        prompt_count: How many prompts have begun; names the present one and its timer.
        is_asked: The present prompt is being spoken.
        is_hearing: The present prompt plays.
    """

    kind: Literal["agent"] = "agent"
    queue_id: str
    is_found: bool = False
    agent_id: str = ""
    leg_id: str = ""
    last_leg_id: str = ""
    is_talking: bool = False
    is_overdue: bool = False
    prompts: tuple[Action, ...] = ()
    prompt_count: int = 0
    is_asked: bool = False
    is_hearing: bool = False


class Run(Value):
    """One execution of a flow for one attempt."""

    attempt_id: str
    campaign_id: str
    customer_id: str
    actions: tuple[Action, ...]
    is_flow_only: bool = False
    position: int = 0
    variables: dict[str, str] = Field(default_factory=dict)
    loops: dict[str, int] = Field(default_factory=dict)
    executed_count: int = 0
    waiting: ForPlayback | ForTime | ForDigits | ForAgent | None = Field(
        default=None, discriminator="kind"
    )
    is_over: bool = False
    seen: int = -1

    @property
    def current(self) -> Action:
        """The action the run is at."""
        return self.actions[self.position]

    @property
    def digits(self) -> str:
        """The keys pressed so far that nothing has used up."""
        return self.variables.get(DIGITS, "")

    def place_of(self, action_id: str) -> int | None:
        """Return where an action stands, or None."""
        if action_id in {NIL_ID, ""}:
            return None
        for place, action in enumerate(self.actions):
            if action.id == action_id:
                return place
        return None

    @property
    def next_position(self) -> int:
        """Where the run goes on after the current action."""
        place = self.place_of(self.current.next_id)
        return self.position + 1 if place is None else place

    def timer(self, kind: str) -> str:
        """Return the name of a timer of the current action.

        No other action of the run has it: one that fires late or twice finds nobody waiting.
        """
        return f"{kind}.{self.executed_count}"

    def with_variables(self, values: Mapping[str, str]) -> "Run":
        """Return the run with some variables set."""
        return self.model_copy(update={"variables": {**self.variables, **values}})


def run_of(start: CallAnswered | FlowStart, customer_id: str) -> Run:
    """Return the run that an answer, or a start without a call, asks for."""
    return Run(
        attempt_id=start.attempt_id,
        campaign_id=start.campaign_id,
        customer_id=customer_id,
        actions=start.actions,
        variables=start.variables,
        is_flow_only=isinstance(start, FlowStart),
    )
