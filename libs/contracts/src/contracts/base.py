"""What every message is: a frozen value with a literal type; an unknown type is a value too.

Producers may add optional fields to a type at any time, so a consumer ignores fields it does not
know. A breaking change is a new type (`call.answered.v2`), never another shape of an old one.
"""

from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, TypeAlias, get_args

from pydantic import BaseModel, ConfigDict, Field

AttemptId: TypeAlias = str
CampaignId: TypeAlias = str
CustomerId: TypeAlias = str
OutdialId: TypeAlias = str
TargetId: TypeAlias = str
QueueId: TypeAlias = str
AgentId: TypeAlias = str

Milliseconds = Annotated[int, Field(ge=0)]


class Value(BaseModel):
    """A frozen value of a contract. Fields it does not know are dropped when it is parsed."""

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)


class Message(Value):
    """The body of an event (a fact, past tense) or of a command (a request, imperative)."""

    type: str


class Unrecognized(Message):
    """A message of a type this version does not know: counted and skipped, never an error."""

    model_config = ConfigDict(frozen=True, extra="allow")


def members(messages: UnionType | type[Message]) -> tuple[type[Message], ...]:
    """Return the message classes of a union (or of a union of one)."""
    return get_args(messages) or (messages,)


def known_among(messages: UnionType | type[Message]) -> Callable[[Any], str]:
    """Return the discriminator that sends types outside the union to `Unrecognized`."""
    known = {message.model_fields["type"].default for message in members(messages)}

    def tag(value: Any) -> str:
        type_ = value.get("type") if isinstance(value, dict) else getattr(value, "type", None)
        return "known" if type_ in known else "unrecognized"

    return tag
