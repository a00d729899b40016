"""What a replay finds: decisions taken again, the ones that differ, and what cannot be known."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from contracts.base import Message
from contracts.envelope import Envelope
from pydantic import BaseModel


class Asked(StrEnum):
    """What was decided."""

    STATUS = "status of the campaign"
    DESTINATION = "destination"
    ATTEMPT = "attempt"
    PACING = "pacing"
    HOURS = "calling hours"
    TARGET_BEGUN = "target as the attempt begins"
    FACT = "fact of the call"
    SETTLEMENT = "settlement"
    TARGET_SETTLED = "target as the attempt ends"
    GIVING_UP = "target given up"
    STEP = "step of the flow"


class Gap(StrEnum):
    """Why a decision cannot be taken again."""

    BEGINS_BEFORE = "the log begins after the attempt did"
    NO_CAMPAIGN = "the campaign as it was then is not in the log"
    NO_TARGET = "the target as it was before is not in the log"
    NO_CAUSE = "the message says not by which it was caused"
    NO_START = "the answer that began the flow is not in the log"
    NO_COMMAND = "the command to call the agent is not in the log"
    NOT_HEARD = "what the run had heard is not in the log"
    LOST = "a message that led to it is not in the log"
    UNKNOWN_TYPE = "a message of a type that this code does not know"
    UNREADABLE = "a message that cannot be parsed"


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, as the log has it and as the code takes it now.

    Attributes:
        asked: What was decided.
        message: The message that tells it.
        logged: What was decided then.
        decided: What the code decides.
        before: The state that it was decided in.
    """

    asked: Asked
    message: Envelope[Any]
    logged: Any
    decided: Any
    before: Any = None

    @property
    def differs(self) -> bool:
        """Whether the code decides otherwise than the log has it."""
        return bool(self.logged != self.decided)

    @property
    def at(self) -> datetime:
        """When it was decided."""
        return self.message.time

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "at": self.at.isoformat(),
            "message": self.message.id,
            "type": self.message.type,
            "subject": self.message.subject,
            "decision": self.asked.value,
            "logged": plain(self.logged),
            "decided": plain(self.decided),
            "before": plain(self.before),
        }


@dataclass(frozen=True, slots=True)
class Unknown:
    """A decision that cannot be taken again."""

    gap: Gap
    subject: str


Finding = Decision | Unknown


def plain(value: Any) -> Any:
    """Return a value as JSON can hold it."""
    match value:
        case BaseModel():
            return value.model_dump(mode="json", exclude_none=isinstance(value, Message))
        case Mapping():
            return {str(key): plain(one) for key, one in value.items()}
        case tuple() | list():
            return [plain(one) for one in value]
        case None | bool() | int() | float() | str():
            return value
        case _:
            return str(value)


def differences(logged: Any, decided: Any, place: str = "") -> list[tuple[str, Any, Any]]:
    """Return where two plain values differ: place, the one, the other."""
    if logged == decided:
        return []
    if isinstance(logged, dict) and isinstance(decided, dict):
        found = []
        for key in dict.fromkeys((*logged, *decided)):
            inner = f"{place}.{key}" if place else str(key)
            found += differences(logged.get(key), decided.get(key), inner)
        return found
    if isinstance(logged, list) and isinstance(decided, list) and len(logged) == len(decided):
        return [
            found
            for number, (one, other) in enumerate(zip(logged, decided, strict=True))
            for found in differences(one, other, f"{place}[{number}]")
        ]
    return [(place, logged, decided)]
