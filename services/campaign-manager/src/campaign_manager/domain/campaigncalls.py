"""The read model of attempts, folded from call events: order does not matter, nor do repeats."""

from datetime import datetime
from enum import StrEnum

from contracts.base import Value
from contracts.call import Attempt, CallAnswered, CallDialing, CallSettled, Outcome
from pydantic import AwareDatetime


class CallStatus(StrEnum):
    """What the API shows of an attempt."""

    DIALING = "dialing"
    PROGRESSING = "progressing"
    DONE = "done"


class CampaignCall(Value):
    """One attempt as the API shows it. `attempt` is unknown while only later facts were heard."""

    attempt_id: str
    campaign_id: str
    attempt: Attempt | None = None
    status: CallStatus = CallStatus.DIALING
    outcome: Outcome | None = None
    is_success: bool | None = None
    updated_at: AwareDatetime | None = None
    deleted_at: AwareDatetime | None = None
    seen: int = -1


RANKS = {CallStatus.DIALING: 0, CallStatus.PROGRESSING: 1, CallStatus.DONE: 2}
CallRecordFact = CallDialing | CallAnswered | CallSettled


def attempt_of(fact: CallRecordFact) -> tuple[str, str]:
    """Return the attempt id and the campaign id that a fact is about."""
    if isinstance(fact, CallDialing):
        return fact.attempt.attempt_id, fact.attempt.campaign_id
    return fact.attempt_id, fact.campaign_id


def fold(
    before: CampaignCall | None, fact: CallRecordFact, sequence: int, at: datetime
) -> CampaignCall:
    """Return the campaigncall after a fact; the same one if it says nothing new."""
    attempt_id, campaign_id = attempt_of(fact)
    call = before or CampaignCall(attempt_id=attempt_id, campaign_id=campaign_id)
    update: dict[str, object] = {"seen": max(sequence, call.seen)}
    match fact:
        case CallDialing(attempt=attempt):
            update["attempt"] = call.attempt or attempt  # a forgotten party stays so
            status = CallStatus.DIALING
        case CallAnswered():
            status = CallStatus.PROGRESSING
        case CallSettled(outcome=outcome, is_success=is_success):
            update |= {"outcome": outcome, "is_success": is_success}
            status = CallStatus.DONE
    if RANKS[status] > RANKS[call.status]:
        update |= {"status": status, "updated_at": at}
    after = call.model_copy(update=update)
    return call if before is not None and after == before else after


def forgotten(call: CampaignCall) -> CampaignCall:
    """Return the campaigncall without whom it reached."""
    if call.attempt is None:
        return call
    destination = call.attempt.destination.forgotten()
    return call.model_copy(
        update={"attempt": call.attempt.model_copy(update={"destination": destination})}
    )
