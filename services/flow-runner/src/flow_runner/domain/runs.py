"""A flow run: where it is, what it has gathered, and what it waits for. All of it is data."""

from typing import Literal

from contracts.actions import NIL_ID, Action
from contracts.base import Value
from pydantic import Field

LARGEST_COUNT = 100
"""Actions that one run may execute; after that it has failed."""


class ForPlayback(Value):
    """Waits for the end of a playback; `urls` are played after it."""

    kind: Literal["playback"] = "playback"
    playback_id: str
    urls: tuple[str, ...] = ()
    is_skippable: bool = False


class ForTime(Value):
    """Waits for a while."""

    kind: Literal["time"] = "time"


class ForDigits(Value):
    """Waits for keys."""

    kind: Literal["digits"] = "digits"
    end_keys: str
    length: int


class ForAgent(Value):
    """Waits in a queue; an agent has been assigned once `leg_id` is set."""

    kind: Literal["agent"] = "agent"
    queue_id: str
    agent_id: str = ""
    leg_id: str = ""
    is_talking: bool = False
    prompt_count: int = 0


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
    digits: str = ""
    waiting: ForPlayback | ForTime | ForDigits | ForAgent | None = Field(
        default=None, discriminator="kind"
    )
    is_over: bool = False
    seen: int = -1

    @property
    def current(self) -> Action:
        """The action the run is at."""
        return self.actions[self.position]

    def place_of(self, action_id: str) -> int | None:
        """Return where an action stands, or None."""
        if action_id == NIL_ID:
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
