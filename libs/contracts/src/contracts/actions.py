"""The actions of a flow: what a client may send, and what each option means.

An action travels as it was sent (`Action`, with an open `option`); `parse_option` gives the typed
option that the interpreter runs. Field names are those of the public API.
Source: VoIPBIN's flow action reference.
"""

from typing import Any, Literal

from pydantic import Field, ValidationError

from contracts.base import Milliseconds, Value

NIL_ID = "00000000-0000-0000-0000-000000000000"


class Action(Value):
    """One step of a flow, as the client sent it."""

    id: str = NIL_ID
    next_id: str = Field(default=NIL_ID, description="The nil id means the next in the list.")
    type: str
    option: dict[str, Any] = Field(default_factory=dict)


class Answer(Value):
    """Answer an inbound leg; nothing to do on an outbound one."""


class Hangup(Value):
    """End the call."""

    reason: str = ""


class Stop(Value):
    """End the flow; a call whose flow has ended is hung up."""


class Talk(Value):
    """Say a text. An empty text is a prompt of zero length."""

    text: str = ""
    language: str = "en-US"
    gender: str = ""
    provider: str = ""
    voice_id: str = ""
    digits_handle: Literal["", "next"] = Field(
        default="", description="'next': a key press skips to the next action."
    )
    is_async: bool = Field(default=False, alias="async")


class Play(Value):
    """Play media files one after the other."""

    stream_urls: tuple[str, ...] = Field(min_length=1)


class Sleep(Value):
    """Wait."""

    duration: Milliseconds


class Goto(Value):
    """Jump to an action, at most `loop_count` times in one run."""

    target_id: str
    loop_count: int = Field(default=0, description="0 or less: never jump.")


class Branch(Value):
    """Jump by the value of a variable, which is emptied afterwards."""

    variable: str = "voipbin.call.digits"
    default_target_id: str = NIL_ID
    target_ids: dict[str, str] = Field(default_factory=dict)


class DigitsReceive(Value):
    """Gather key presses until a number of them, an end key, or the time limit."""

    duration: Milliseconds = Field(description="Time limit in milliseconds.")
    key: str = Field(default="", description="End keys, not stored.")
    length: int = Field(default=0, ge=0, description="0: no limit of number.")


class QueueJoin(Value):
    """Wait for an agent of a queue, then talk to the agent."""

    queue_id: str


Option = Answer | Hangup | Stop | Talk | Play | Sleep | Goto | Branch | DigitsReceive | QueueJoin

OPTIONS: dict[str, type[Option]] = {
    "answer": Answer,
    "hangup": Hangup,
    "stop": Stop,
    "talk": Talk,
    "play": Play,
    "sleep": Sleep,
    "goto": Goto,
    "branch": Branch,
    "digits_receive": DigitsReceive,
    "queue_join": QueueJoin,
}


class UnknownAction(Exception):
    """The type of an action is not one of those that can be carried out."""

    def __init__(self, type_: str) -> None:
        super().__init__(f"unknown action type {type_!r}; known: {', '.join(sorted(OPTIONS))}")
        self.type = type_


def parse_option(action: Action) -> Option:
    """Return the typed option of an action.

    Raises:
        UnknownAction: The type is not known.
        pydantic.ValidationError: The option does not fit the type.
    """
    option = OPTIONS.get(action.type)
    if option is None:
        raise UnknownAction(action.type)
    return option.model_validate(action.option)


__all__ = [
    "NIL_ID", "OPTIONS", "Action", "Answer", "Branch", "DigitsReceive", "Goto", "Hangup", "Option",
    "Play", "QueueJoin", "Sleep", "Stop", "Talk", "UnknownAction", "ValidationError",
    "parse_option",
]  # fmt: skip
