"""A target as it lies in Redis: JSON with one-letter names, nothing that is absent or implied.

A million waiting targets are a normal list; the names of the fields would weigh more than what is
in them. What the key or the outdial tells already is not repeated.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.target import Destination, Target, TargetOutcome, TargetStatus
from pydantic_core import from_json, to_json

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
STATUS_LETTERS = {
    TargetStatus.IDLE: "i",
    TargetStatus.PROGRESSING: "p",
    TargetStatus.DONE: "d",
}
STATUSES = {letter: status for status, letter in STATUS_LETTERS.items()}


def microseconds(instant: datetime) -> int:
    """Return an aware instant as microseconds since 1970, exactly."""
    return (instant - EPOCH) // MICROSECOND


def instant(micros: int) -> datetime:
    """Return the aware instant (UTC) of microseconds since 1970, exactly."""
    return EPOCH + micros * MICROSECOND


def pack(target: Target) -> bytes:
    """Return the target's body for its record."""
    packed: dict[str, Any] = {
        "u": target.customer_id,
        "c": microseconds(target.created_at),
        "m": microseconds(target.updated_at),
        "k": [_pack_destination(destination) for destination in target.destinations],
    }
    optional = {
        "n": target.name,
        "e": target.detail,
        "x": target.data,
        "s": STATUS_LETTERS[target.status] if target.status is not TargetStatus.IDLE else "",
        "o": target.outcome.value if target.outcome else "",
        "w": microseconds(target.due_at) if target.due_at else 0,
        "z": microseconds(target.deleted_at) if target.deleted_at else 0,
    }
    packed |= {letter: value for letter, value in optional.items() if value}
    return to_json(packed)


def _pack_destination(destination: Destination) -> list[Any]:
    packed: list[Any] = [
        destination.slot,
        destination.kind,
        destination.address,
        destination.attempt_count,
    ]
    labels = [destination.target_name, destination.name, destination.detail]
    return packed + labels if any(labels) else packed


def unpack(target_id: str, outdial_id: str, body: bytes) -> Target:
    """Return the target of a record's body."""
    packed = from_json(body)
    return Target(
        target_id=target_id,
        outdial_id=outdial_id,
        customer_id=packed["u"],
        name=packed.get("n", ""),
        detail=packed.get("e", ""),
        data=packed.get("x", ""),
        destinations=tuple(_unpack_destination(row) for row in packed["k"]),
        status=STATUSES[packed.get("s", "i")],
        outcome=TargetOutcome(packed["o"]) if "o" in packed else None,
        due_at=instant(packed["w"]) if "w" in packed else None,
        created_at=instant(packed["c"]),
        updated_at=instant(packed["m"]),
        deleted_at=instant(packed["z"]) if "z" in packed else None,
    )


def _unpack_destination(row: list[Any]) -> Destination:
    target_name, name, detail = row[4:] or ("", "", "")
    return Destination(
        slot=row[0],
        kind=row[1],
        address=row[2],
        attempt_count=row[3],
        target_name=target_name,
        name=name,
        detail=detail,
    )
