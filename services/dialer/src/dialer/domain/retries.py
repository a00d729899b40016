"""Which destination is tried next, and what an outcome makes of the target.

Slots are tried in order: all attempts of slot 0, then slot 1, and so on. The interval runs from
the end of one attempt to the start of the next. A target with nothing left to try is done.
"""

from datetime import datetime, timedelta

from contracts.call import Outcome
from contracts.resources import Outplan
from contracts.target import Destination, Target, TargetOutcome, TargetStatus

SUCCESS = frozenset({Outcome.ANSWERED})


def choose_destination(target: Target, outplan: Outplan) -> Destination | None:
    """Return the first destination that has attempts left, or None."""
    for destination in target.destinations:
        if destination.attempt_count < outplan.max_attempts[destination.slot]:
            return destination
    return None


def begin(target: Target, destination: Destination, at: datetime) -> Target:
    """Return the target with one more attempt of a destination counted and open."""
    return target.model_copy(
        update={
            "status": TargetStatus.PROGRESSING,
            "destinations": _count(target, destination.slot, 1),
            "updated_at": at,
            "due_at": None,
        }
    )


def settle(target: Target, outplan: Outplan, *, is_success: bool, at: datetime) -> Target:
    """Return the target after an attempt has ended: done, or idle until its next due time."""
    if is_success:
        return _done(target, TargetOutcome.ANSWERED, at)
    if choose_destination(target, outplan) is None:
        return exhausted(target, at)
    due_at = at + timedelta(milliseconds=outplan.try_interval_ms)
    return target.model_copy(
        update={"status": TargetStatus.IDLE, "updated_at": at, "due_at": due_at}
    )


def take_back(target: Target, slot: int, at: datetime, *, due_at: datetime | None = None) -> Target:
    """Return the target as if an attempt that never reached the network had not been begun.

    Args:
        target: As the attempt has left it.
        slot: Of the destination that was to be tried.
        at: Now.
        due_at: From when on it may be tried; None: at once.
    """
    return target.model_copy(
        update={
            "status": TargetStatus.IDLE,
            "destinations": _count(target, slot, -1),
            "updated_at": at,
            "due_at": due_at or at,
        }
    )


def exhausted(target: Target, at: datetime) -> Target:
    """Return the target as done without success: nothing is left to try."""
    return _done(target, TargetOutcome.EXHAUSTED, at)


def _done(target: Target, outcome: TargetOutcome, at: datetime) -> Target:
    return target.model_copy(
        update={
            "status": TargetStatus.DONE,
            "outcome": outcome,
            "updated_at": at,
            "due_at": None,
        }
    )


def _count(target: Target, slot: int, more: int) -> tuple[Destination, ...]:
    return tuple(
        destination.model_copy(update={"attempt_count": destination.attempt_count + more})
        if destination.slot == slot
        else destination
        for destination in target.destinations
    )
