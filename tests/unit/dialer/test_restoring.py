"""Targets and attempts as Kafka tells them: they agree, whatever part of a commit it has got."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis.outbox import record_of
from chassis.restoring import VERSIONS_AHEAD
from contracts.base import Message
from contracts.call import (
    Attempt,
    CallAdopted,
    CallAnswered,
    CallBridge,
    CallBridgeFailed,
    CallDialing,
    CallRinging,
    CallSettled,
    Outcome,
)
from contracts.campaign import Campaign, CampaignCreated, CampaignLimits
from contracts.envelope import Envelope, wrap
from contracts.resources import Address, CampaignCallForgotten
from contracts.target import (
    Destination,
    Target,
    TargetAdded,
    TargetChanged,
    TargetDeleted,
    TargetOutcome,
    TargetStatus,
)
from dialer.domain.calls import Call, CallStatus, LegStatus
from dialer.usecases.restoring import DialerFold
from target_queue.keys import attempt_key, new_attempt_id, outdial_shard
from target_queue.packing import microseconds, unpack

AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
OUTDIAL, CAMPAIGN, CUSTOMER = "outdial-1", "campaign-1", "customer-1"
SHARD = outdial_shard(OUTDIAL)
ATTEMPT = new_attempt_id(SHARD)
OF: dict[str, Any] = {"attempt_id": ATTEMPT, "campaign_id": CAMPAIGN, "at": AT}
SETTLED: dict[str, Any] = {"target_id": "target-1", "due_at": None}


def a_target(status: TargetStatus = TargetStatus.IDLE, count: int = 0, **more: Any) -> Target:
    return Target(
        target_id="target-1",
        outdial_id=OUTDIAL,
        customer_id=CUSTOMER,
        destinations=(
            Destination(slot=0, kind="tel", address="+12125550100", attempt_count=count),
        ),
        status=status,
        created_at=AT,
        updated_at=AT,
        **more,
    )


def an_attempt(number: int = 1) -> Attempt:
    return Attempt(
        attempt_id=ATTEMPT,
        customer_id=CUSTOMER,
        campaign_id=CAMPAIGN,
        run_number=1,
        outplan_id="outplan-1",
        outdial_id=OUTDIAL,
        target_id="target-1",
        destination=a_target().destinations[0],
        attempt_number=number,
        ring_timeout_ms=1000,
        fence=2,
        worker="dialer-1",
        created_at=AT,
    )


def told(sequence: int, body: Message) -> Envelope[Any]:
    return wrap(body, source="dialer", subject="it", sequence=sequence, at=AT, customer_id=CUSTOMER)


def restored(*messages: Envelope[Any]) -> dict[str, Any]:
    """What is in Redis afterwards: records by their key, members of sets and sorted sets."""
    fold = DialerFold(now=AT + timedelta(minutes=1))
    for message in messages:
        fold.take(message)
    found: dict[str, Any] = {}
    for command in fold.commands():
        match command:
            case ("SET", key, bytes(body)):
                found[str(key)] = record_of(body)
            case ("ZADD", key, score, member):
                found.setdefault(str(key), {})[member] = score
            case ("SADD", key, member):
                found.setdefault(str(key), set()).add(member)
            case _:
                pass
    return found


def target_of(found: dict[str, Any]) -> Target:
    return unpack("target-1", OUTDIAL, found[f"{{{SHARD}}}:target:target-1"].body)


def due_of(found: dict[str, Any]) -> dict[str, int]:
    due: dict[str, int] = found.get(f"{{{SHARD}}}:outdial:{OUTDIAL}:due", {})
    return due


def call_of(found: dict[str, Any]) -> Call:
    return Call.model_validate_json(found[attempt_key(ATTEMPT)].body)


def test_asking_for_the_commands_changes_nothing() -> None:
    """A comparison asks, reads on, and asks again; one topic may be ahead of the other."""
    back = told(80, TargetChanged(target=a_target(due_at=AT + timedelta(hours=1))))
    settled = CallSettled(outcome=Outcome.CANCELLED, is_success=False,
                          target_status=TargetStatus.IDLE, **OF, **SETTLED)  # fmt: skip
    known = (ADDED, DIALED, DIALING, back)
    fold = DialerFold(now=AT)
    for message in known:
        fold.take(message)
    assert list(fold.commands()) == list(fold.commands())
    fold.take(told(32, settled))
    assert list(fold.commands()) == fold_of(*known, told(32, settled))


def fold_of(*messages: Envelope[Any]) -> list[Any]:
    fold = DialerFold(now=AT)
    for message in messages:
        fold.take(message)
    return list(fold.commands())


ADDED = told(16, TargetAdded(target=a_target()))
DIALED = told(48, TargetChanged(target=a_target(TargetStatus.PROGRESSING, 1)))
DIALING = told(16, CallDialing(attempt=an_attempt()))


def test_a_waiting_target_is_due_when_it_was_due() -> None:
    found = restored(ADDED)
    assert target_of(found) == a_target()
    assert due_of(found) == {"target-1": microseconds(AT)}
    later = AT + timedelta(hours=1)
    found = restored(ADDED, told(64, TargetChanged(target=a_target(count=1, due_at=later))))
    assert due_of(found) == {"target-1": microseconds(later)}


def test_the_highest_sequence_counts_and_not_the_last_message() -> None:
    done = told(64, TargetChanged(target=a_target(TargetStatus.DONE, 1)))
    found = restored(ADDED, done, DIALED)
    assert target_of(found).status is TargetStatus.DONE
    assert due_of(found) == {}


def test_nobody_has_ever_seen_the_version_of_a_restored_record() -> None:
    found = restored(ADDED, DIALED, DIALING)
    records = [found[attempt_key(ATTEMPT)], found[f"{{{SHARD}}}:target:target-1"]]
    assert all(record.version >= VERSIONS_AHEAD for record in records)


def test_a_deleted_target_is_never_due() -> None:
    gone = told(64, TargetDeleted(target=a_target(deleted_at=AT)))
    assert due_of(restored(ADDED, gone)) == {}


def test_an_open_attempt_is_its_workers_and_one_that_may_ring_is_nobody_elses() -> None:
    fold = DialerFold(now=AT)
    for message in (ADDED, DIALED, DIALING):
        fold.take(message)
    (body,) = [c[2] for c in fold.commands() if c[:2] == ("SET", attempt_key(ATTEMPT))]
    assert "|permit|" in str(body), "who adopts it must doubt whether it was asked for"
    found = restored(ADDED, DIALED, DIALING)
    assert found[f"{{{SHARD}}}:worker:dialer-1:attempts"] == {ATTEMPT}
    assert "dialer-1" in found[f"{{{SHARD}}}:workers"], "its silence must be noticed"
    assert found[f"{{{SHARD}}}:campaign:{CAMPAIGN}:live"] == {ATTEMPT: microseconds(AT)}


@pytest.mark.parametrize("messages", [(ADDED, DIALING), (DIALING, ADDED)])
def test_a_target_whose_attempt_is_open_is_in_call_though_kafka_has_not_got_that(
    messages: Iterable[Envelope[Any]],
) -> None:
    target = target_of(restored(*messages))
    assert (target.status, target.destinations[0].attempt_count) == (TargetStatus.PROGRESSING, 1)


def test_a_target_that_was_in_call_and_has_no_attempt_waits() -> None:
    found = restored(ADDED, DIALED)
    assert target_of(found).status is TargetStatus.IDLE
    assert due_of(found) != {}


@pytest.mark.parametrize(
    ("outcome", "status", "count", "why"),
    [
        (Outcome.ANSWERED, TargetStatus.DONE, 1, TargetOutcome.ANSWERED),
        (Outcome.BUSY, TargetStatus.IDLE, 1, None),
        (Outcome.BUSY, TargetStatus.DONE, 1, TargetOutcome.EXHAUSTED),
        (Outcome.CANCELLED, TargetStatus.IDLE, 0, None),
    ],
)
def test_a_target_whose_end_of_call_kafka_has_not_got_is_as_the_attempt_says(
    outcome: Outcome, status: TargetStatus, count: int, why: TargetOutcome | None
) -> None:
    settled = CallSettled(
        **OF,
        **SETTLED,
        outcome=outcome,
        is_success=outcome is Outcome.ANSWERED,
        target_status=status,
    )
    target = target_of(restored(ADDED, DIALED, DIALING, told(64, settled)))
    assert (target.status, target.outcome) == (status, why)
    assert target.destinations[0].attempt_count == count


def test_a_call_is_where_it_was() -> None:
    ringing, answered = told(32, CallRinging(**OF)), told(48, CallAnswered(**OF, actions=()))
    adopted = told(64, CallAdopted(**OF, worker="dialer-2"))
    call = call_of(restored(ADDED, DIALED, DIALING, ringing, answered, adopted, ringing))
    assert (call.status, call.answered_at, call.holder) == (CallStatus.UP, AT, "dialer-2")


def test_an_agent_who_is_being_called_is_known_by_the_leg() -> None:
    leg: dict[str, Any] = {"agent_id": "agent-1", "leg_id": "leg-1"}
    address = Address(type="tel", target="+12125550199")
    bridge = told(256, CallBridge(attempt_id=ATTEMPT, address=address, **leg))
    call = call_of(restored(ADDED, DIALED, DIALING, bridge))
    assert call.leg is not None
    assert (call.leg.leg_id, call.leg.status) == ("leg-1", LegStatus.DIALING)
    failed = told(32, CallBridgeFailed(**OF, **leg))
    call = call_of(restored(ADDED, DIALED, DIALING, bridge, failed))
    assert call.leg is not None
    assert call.leg.status is LegStatus.GONE


def test_attempts_of_a_party_that_was_forgotten_are_counted_no_more() -> None:
    """Their count stands under the number."""
    limits = CampaignLimits(attempts_per_number_day=3)
    campaign = Campaign(
        campaign_id=CAMPAIGN, customer_id=CUSTOMER, limits=limits, created_at=AT
    )  # fmt: skip
    settled = CallSettled(outcome=Outcome.BUSY, is_success=False,
                          target_status=TargetStatus.DONE, **OF, **SETTLED)  # fmt: skip
    known = (told(16, CampaignCreated(campaign=campaign)), DIALING, told(32, settled))
    forget = CampaignCallForgotten(attempt_id=ATTEMPT, customer_id=CUSTOMER, at=AT)
    assert ":attempts" in str(restored(*known).keys())
    assert "+12125550100" not in str(restored(told(0, forget), *known))
