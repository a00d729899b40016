"""The call's tables: total, and deaf to what comes late, twice or out of order."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from contracts.actions import Action
from contracts.call import Attempt, CallAnswered, CallHungUp, Outcome
from contracts.target import Destination
from dialer.domain.calls import (
    LEG_TRANSITIONS,
    TRANSITIONS,
    Call,
    CallStatus,
    CallTrigger,
    Leg,
    LegStatus,
    LegTrigger,
)
from dialer.domain.causes import outcome_of
from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    Ringing,
)
from dialer.domain.story import Connect, HangUp, Script, decide
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SCRIPT = Script((Action(type="talk", option={"text": "hello"}),), {"target.name": "Ada"})


def a_call(status: CallStatus = CallStatus.DIALING, leg: Leg | None = None) -> Call:
    attempt = Attempt(
        attempt_id="a",
        customer_id="c",
        campaign_id="k",
        run_number=1,
        outplan_id="p",
        outdial_id="o",
        target_id="t",
        destination=Destination(slot=0, kind="tel", address="+15550100011"),
        attempt_number=1,
        ring_timeout_ms=30_000,
        fence=3,
        worker="dialer-1",
        created_at=NOON,
    )
    answered_at = NOON if status is CallStatus.UP else None
    return Call(attempt=attempt, status=status, answered_at=answered_at, leg=leg)


def ended(cause: int = 16, tech: int | None = None, channel: str = "a") -> ChannelEnded:
    return ChannelEnded(channel, NOON, cause, tech, None)


SIGNALS = st.sampled_from(
    [
        Ringing("a", NOON),
        Answered("a", NOON),
        DigitPressed("a", NOON, "1"),
        PlaybackFinished("a", NOON, "p", False),
        ended(),
        ended(17, 486),
        Answered("leg", NOON),
        ended(channel="leg"),
    ]
)


def test_every_status_answers_every_trigger() -> None:
    calls = {(status, trigger) for status, row in TRANSITIONS.items() for trigger in row}
    assert calls == set(product(CallStatus, CallTrigger))
    legs = {(status, trigger) for status, row in LEG_TRANSITIONS.items() for trigger in row}
    assert legs == set(product(LegStatus, LegTrigger))


def test_an_answer_brings_the_flow_along() -> None:
    decision = decide(a_call(CallStatus.RINGING), Answered("a", NOON), lambda: SCRIPT)
    (told,) = decision.facts
    assert isinstance(told, CallAnswered)
    assert (told.actions, told.variables) == (SCRIPT.actions, SCRIPT.variables)
    assert decision.call.answered_at == NOON


def test_the_end_of_an_answered_call_is_a_success_whatever_ended_it() -> None:
    decision = decide(a_call(CallStatus.UP), ended(0), lambda: SCRIPT)
    assert decision.outcome is Outcome.ANSWERED


@pytest.mark.parametrize(
    ("cause", "tech", "outcome"),
    [
        (17, 486, Outcome.BUSY),
        (17, None, Outcome.BUSY),
        (19, 480, Outcome.NO_ANSWER),
        (18, 408, Outcome.NO_ANSWER),
        (21, 603, Outcome.REJECTED),
        (127, 607, Outcome.REJECTED),
        (1, 404, Outcome.FAILED),
        (34, 503, Outcome.FAILED),
        (16, 301, Outcome.FAILED),  # normal clearing before an answer is no success
        (16, None, Outcome.CANCELLED),
        (999, None, Outcome.FAILED),
    ],
)
def test_the_sip_status_speaks_before_the_cause(
    cause: int, tech: int | None, outcome: Outcome
) -> None:
    assert outcome_of(hangup_cause=cause, tech_cause=tech, was_answered=False) is outcome


@given(st.lists(SIGNALS, max_size=20))
def test_a_call_is_answered_once_and_ends_once_in_whatever_order_signals_come(
    signals: list[CallSignal],
) -> None:
    call = a_call()
    told: list[object] = []
    for signal in signals:
        decision = decide(call, signal, lambda: SCRIPT)
        call = decision.call
        told += decision.facts
    assert sum(isinstance(fact, CallAnswered) for fact in told) <= 1
    assert sum(isinstance(fact, CallHungUp) for fact in told) <= 1
    if any(isinstance(fact, CallHungUp) for fact in told):
        assert isinstance(told[-1], CallHungUp), "nothing is told of a call after its end"


@given(st.lists(SIGNALS, max_size=12), SIGNALS)
def test_a_repeated_signal_tells_nothing_more(history: list[CallSignal], last: CallSignal) -> None:
    if isinstance(last, DigitPressed | PlaybackFinished):
        return  # a key can be pressed twice
    call = a_call()
    for signal in [*history, last]:
        call = decide(call, signal, lambda: SCRIPT).call
    assert decide(call, last, lambda: SCRIPT).facts == ()


def test_an_agent_who_answers_is_connected_and_one_who_does_not_has_failed() -> None:
    waiting = a_call(CallStatus.UP, Leg(leg_id="leg", agent_id="ann"))
    answered = decide(waiting, Answered("leg", NOON), lambda: SCRIPT)
    assert answered.effects == (Connect("leg"),)
    assert [fact.type for fact in answered.facts] == ["call.bridged"]
    refused = decide(waiting, ended(17, channel="leg"), lambda: SCRIPT)
    assert [fact.type for fact in refused.facts] == ["call.bridge_failed"]
    left = decide(answered.call, ended(channel="leg"), lambda: SCRIPT)
    assert [fact.type for fact in left.facts] == ["call.unbridged"]


def test_a_party_who_hangs_up_takes_the_agents_leg_along() -> None:
    talking = a_call(CallStatus.UP, Leg(leg_id="leg", agent_id="ann", status=LegStatus.BRIDGED))
    assert decide(talking, ended(), lambda: SCRIPT).effects == (HangUp("leg"),)


def test_an_agent_who_answers_too_late_is_hung_up() -> None:
    gone = a_call(CallStatus.ENDED, Leg(leg_id="leg", agent_id="ann"))
    assert decide(gone, Answered("leg", NOON), lambda: SCRIPT).effects == (HangUp("leg"),)


@given(st.datetimes(timezones=st.just(UTC)), st.integers(0, 10**6))
def test_a_call_survives_its_record(at: datetime, more: int) -> None:
    call = a_call().model_copy(update={"answered_at": at + timedelta(microseconds=more % 7)})
    assert Call.model_validate_json(call.model_dump_json()) == call
