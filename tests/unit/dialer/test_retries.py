"""Retries: slots in order, counts at the dial, the interval from the end of the last attempt."""

from datetime import UTC, datetime, timedelta

from contracts.resources import Outplan
from contracts.target import Destination, Target, TargetOutcome, TargetStatus
from dialer.domain.pacing import calls_to_place
from dialer.domain.retries import begin, choose_destination, settle, take_back
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
COUNTS = st.tuples(*[st.integers(0, 3)] * 5)
SLOTS = st.sets(st.integers(0, 4), min_size=1, max_size=5)


def an_outplan(counts: tuple[int, ...]) -> Outplan:
    return Outplan(
        id="p",
        customer_id="c",
        created_at=NOON,
        try_interval_ms=60_000,
        max_attempts=(counts[0], counts[1], counts[2], counts[3], counts[4]),
    )


def a_target(slots: set[int]) -> Target:
    return Target(
        target_id="t",
        outdial_id="o",
        customer_id="c",
        destinations=tuple(
            Destination(slot=slot, kind="tel", address=f"+1555010001{slot}")
            for slot in sorted(slots)
        ),
        created_at=NOON,
        updated_at=NOON,
    )


@given(COUNTS, SLOTS)
def test_a_target_nobody_answers_is_tried_exactly_as_the_outplan_says(
    counts: tuple[int, ...], slots: set[int]
) -> None:
    outplan, target, now, dialed = an_outplan(counts), a_target(slots), NOON, []
    while target.status is not TargetStatus.DONE:
        destination = choose_destination(target, outplan)
        if destination is None:
            break
        dialed.append(destination.slot)
        target = begin(target, destination, now)
        now += timedelta(seconds=30)
        target = settle(target, outplan, is_success=False, at=now)
        if target.status is TargetStatus.IDLE:
            assert target.due_at == now + timedelta(seconds=60)
            now = target.due_at
    assert dialed == [slot for slot in sorted(slots) for _ in range(counts[slot])]
    if dialed:
        assert (target.status, target.outcome) == (TargetStatus.DONE, TargetOutcome.EXHAUSTED)


def test_a_success_ends_the_target_though_slots_are_left() -> None:
    outplan, target = an_outplan((2, 2, 0, 0, 0)), a_target({0, 1})
    target = begin(target, target.destinations[0], NOON)
    target = settle(target, outplan, is_success=True, at=NOON)
    assert (target.status, target.outcome) == (TargetStatus.DONE, TargetOutcome.ANSWERED)


def test_an_attempt_that_was_never_sent_does_not_count() -> None:
    target = a_target({0})
    begun = begin(target, target.destinations[0], NOON)
    back = take_back(begun, 0, NOON)
    assert back.destinations == target.destinations
    assert (back.status, back.due_at) == (TargetStatus.IDLE, NOON)
    later = NOON + timedelta(seconds=2)
    assert take_back(begun, 0, NOON, due_at=later).due_at == later


@given(st.integers(0, 500), st.integers(0, 400), st.integers(0, 500), st.integers(0, 500))
def test_the_dial_ratio_is_never_exceeded(
    agents: int, ratio: int, waiting: int, dialing: int
) -> None:
    count = calls_to_place(
        available_agents=agents, dial_ratio_percent=ratio, waiting=waiting, dialing=dialing
    )
    assert count >= 0
    assert count == 0 or (dialing + count + waiting) * 100 <= agents * ratio
