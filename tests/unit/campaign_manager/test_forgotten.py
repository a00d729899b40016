"""A party that was forgotten: neither a late message nor a rebuild brings it back."""

import json
from datetime import UTC, datetime
from typing import Any

from campaign_manager.domain.campaigncalls import fold, forgotten
from campaign_manager.usecases.campaigncalls import call_key
from campaign_manager.usecases.restoring import CampaignCallsFold
from chassis.outbox import record_of
from contracts.base import Message
from contracts.call import Attempt, CallDialing, CallSettled, Outcome
from contracts.envelope import Envelope, wrap
from contracts.resources import CampaignCallForgotten
from contracts.target import FORGOTTEN, Destination, TargetStatus

AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
NUMBER = "+12125550100"
ATTEMPT = Attempt(
    attempt_id="00-1", customer_id="customer-1", campaign_id="campaign-1", run_number=1,
    outplan_id="outplan-1", outdial_id="outdial-1", target_id="target-1",
    destination=Destination(slot=1, kind="tel", address=NUMBER, name="Ann", attempt_count=2),
    attempt_number=3, ring_timeout_ms=1000, fence=1, worker="dialer-1", created_at=AT,
)  # fmt: skip
DIALING = CallDialing(attempt=ATTEMPT)
SETTLED = CallSettled(
    attempt_id="00-1", campaign_id="campaign-1", at=AT, target_id="target-1",
    outcome=Outcome.BUSY, is_success=False, target_status=TargetStatus.DONE,
)  # fmt: skip
FORGET = CampaignCallForgotten(attempt_id="00-1", customer_id="customer-1", at=AT)


def told(sequence: int, body: Message) -> Envelope[Any]:
    return wrap(body, source="it", subject="it", sequence=sequence, at=AT, customer_id="customer-1")


def test_a_forgotten_call_keeps_all_but_whom_it_reached() -> None:
    call = fold(fold(None, DIALING, 1, AT), SETTLED, 2, AT)
    after = forgotten(call)
    assert after.attempt is not None
    assert after.attempt.destination == Destination(
        slot=1, kind="tel", address=FORGOTTEN, attempt_count=2
    )
    assert after.model_copy(update={"attempt": call.attempt}) == call
    assert forgotten(after) == after


def test_an_intent_that_is_delivered_again_does_not_bring_the_party_back() -> None:
    after = forgotten(fold(None, DIALING, 1, AT))
    assert fold(after, DIALING, 1, AT) == after


def test_a_rebuild_heeds_it_whichever_topic_is_read_first() -> None:
    facts = [told(1, DIALING), told(2, SETTLED), told(0, FORGET)]
    for order in (facts, facts[::-1]):
        restoring = CampaignCallsFold()
        for envelope in order:
            restoring.take(envelope)
        commands = {str(command[1]): command for command in restoring.commands()}
        record = record_of(commands[call_key("00-1")][2])  # type: ignore[arg-type]
        assert record is not None
        assert json.loads(record.body)["attempt"]["destination"]["address"] == FORGOTTEN
        assert NUMBER not in str(commands)
