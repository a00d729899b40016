"""Targets: one party to reach each, whole after every change."""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, Discriminator, Field, Tag

from contracts.base import (
    CustomerId,
    Message,
    OutdialId,
    TargetId,
    Unrecognized,
    Value,
    known_among,
)


class TargetStatus(StrEnum):
    """Where a target is: waiting for an attempt, in one, or finished."""

    IDLE = "idle"
    PROGRESSING = "progressing"
    DONE = "done"


class TargetOutcome(StrEnum):
    """Why a target is done."""

    ANSWERED = "answered"
    EXHAUSTED = "exhausted"


FORGOTTEN = "forgotten"
"""Stands for the address of a party that asked to be forgotten."""


class Destination(Value):
    """One address of a target, with its own count of attempts."""

    slot: int = Field(ge=0, le=4, description="Place in the API: destination_0 ... destination_4.")
    kind: str = Field(description="tel or sip.")
    address: str = Field(description="E.164 number or SIP URI.")
    target_name: str = ""
    name: str = ""
    detail: str = ""
    attempt_count: int = Field(default=0, ge=0)

    def forgotten(self) -> "Destination":
        """Return the destination without whom it reaches."""
        kept = {"slot": self.slot, "kind": self.kind, "attempt_count": self.attempt_count}
        return Destination(address=FORGOTTEN, **kept)


class Target(Value):
    """One party to reach."""

    target_id: TargetId
    outdial_id: OutdialId
    customer_id: CustomerId
    name: str = ""
    detail: str = ""
    data: str = ""
    destinations: tuple[Destination, ...] = ()
    status: TargetStatus = TargetStatus.IDLE
    outcome: TargetOutcome | None = None
    due_at: AwareDatetime | None = Field(default=None, description="When it may be dialed next.")
    created_at: AwareDatetime
    updated_at: AwareDatetime
    deleted_at: AwareDatetime | None = None


class TargetAdded(Message):
    type: Literal["target.added"] = "target.added"
    target: Target


class TargetChanged(Message):
    type: Literal["target.changed"] = "target.changed"
    target: Target


class TargetDeleted(Message):
    type: Literal["target.deleted"] = "target.deleted"
    target: Target


TargetFact = TargetAdded | TargetChanged | TargetDeleted
TargetEvent = Annotated[
    Annotated[TargetFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(TargetFact)),
]


class TargetAdd(Message):
    """Add a target to an outdial; a target id that is there already changes nothing."""

    type: Literal["target.add"] = "target.add"
    outdial_id: OutdialId
    target_id: TargetId
    name: str = ""
    detail: str = ""
    data: str = ""
    destinations: tuple[Destination, ...] = Field(min_length=1)


TargetRequest = TargetAdd
TargetCommand = Annotated[
    Annotated[TargetAdd, Tag("known")] | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(TargetAdd)),
]
