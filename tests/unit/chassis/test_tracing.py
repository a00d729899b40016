"""Which attempts are followed, and what a message says of its span, follows from ids alone."""

import re
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from chassis.outbox import OutMessage
from chassis.spans import STORY, Scope, Span, current_span
from chassis.tracing import (
    TRACES,
    Traces,
    parent_in,
    root_of,
    span_id_of,
    trace_id_of,
)
from contracts.call import CallRinging
from contracts.envelope import Envelope, wrap
from contracts.target import Target, TargetChanged
from contracts.topics import CALL_EVENTS, TARGET_EVENTS
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
ATTEMPT = "03a7e2c4-51d8-4b1f-9c3e-6d2f8a9b0c1d"
TRACE = 0x03A7E2C451D84B1F9C3E6D2F8A9B0C1D
FOREIGN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
SAID = (0x4BF92F3577B34DA6A3CE929D0E0E4736, 0x00F067AA0BA902B7)


@pytest.fixture
def recorded() -> Iterator[list[Span]]:
    """What this process records while the test runs: everything."""
    spans: list[Span] = []
    TRACES.record(spans.append)
    yield spans
    TRACES.record(None)


def ringing(attempt_id: str = ATTEMPT) -> Envelope[Any]:
    body = CallRinging(attempt_id=attempt_id, campaign_id="campaign", at=NOON)
    return wrap(
        body, source="dialer", subject=attempt_id, sequence=33, at=NOON, customer_id="customer"
    )


def target_changed(correlation_id: str | None = None) -> Envelope[Any]:
    target = Target(
        target_id="target", outdial_id="outdial", customer_id="customer", created_at=NOON,
        updated_at=NOON,
    )  # fmt: skip
    return wrap(
        TargetChanged(target=target),
        source="dialer",
        subject="target",
        sequence=1,
        at=NOON,
        customer_id="customer",
        correlation_id=correlation_id,
    )


def on_kafka(envelope: Envelope[Any], *headers: tuple[str, bytes]) -> Any:
    return SimpleNamespace(topic="call.events", partition=1, offset=7, headers=headers)


# ---- ids


def test_the_trace_of_an_attempt_has_its_id() -> None:
    assert trace_id_of(ATTEMPT) == TRACE


@pytest.mark.parametrize("story", ["", "a-story", "x" * 32, ATTEMPT[:-1]])
def test_a_story_of_another_kind_of_id_is_no_trace(story: str) -> None:
    assert trace_id_of(story) == 0


@given(st.text())
def test_a_message_has_one_span_id(id_: str) -> None:
    assert 0 < span_id_of(id_) == span_id_of(id_) < 1 << 64


def test_a_root_is_no_message() -> None:
    assert root_of(TRACE) != span_id_of(ATTEMPT)


@pytest.mark.parametrize(
    ("traceparent", "parent"),
    [
        (FOREIGN, SAID),
        (FOREIGN[:-2] + "03", SAID),
        ("cc" + FOREIGN[2:] + "-what-comes-later", SAID),
        (FOREIGN[:-2] + "00", None),
        (FOREIGN[:-2] + "02", None),
        ("ff" + FOREIGN[2:], None),
        (f"00-{'0' * 32}-00f067aa0ba902b7-01", None),
        (f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01", None),
        (FOREIGN.upper(), None),
        ("nonsense", None),
        ("", None),
        (None, None),
    ],
)  # fmt: skip
def test_a_traceparent_names_a_span_that_is_sampled_or_none(
    traceparent: str | None, parent: tuple[int, int] | None
) -> None:
    assert parent_in(traceparent) == parent


# ---- the share


def of_share(share: float) -> Traces:
    traces = Traces()
    traces.record(lambda _span: None, share)
    return traces


@given(st.uuids(version=4), st.floats(0, 1), st.floats(0, 1))
def test_a_smaller_share_is_a_part_of_a_larger_one(
    id_: uuid.UUID, one: float, other: float
) -> None:
    smaller, larger = sorted((one, other))
    is_in_smaller = of_share(smaller).is_followed(id_.int)
    assert of_share(larger).is_followed(id_.int) or not is_in_smaller


@pytest.mark.parametrize("share", [0.01, 0.1, 0.5, 0.75])
def test_about_that_share_of_the_attempts_is_followed(share: float) -> None:
    """By the 64 bits that OpenTelemetry's SDK looks at it would be none of them, or all."""
    traces = of_share(share)
    ids = [uuid.uuid4().int for _ in range(20_000)]
    followed = sum(traces.is_followed(one) for one in ids) / len(ids)
    assert followed == pytest.approx(share, abs=0.02)


@given(st.uuids(version=4))
def test_all_or_none_are_followed(id_: uuid.UUID) -> None:
    assert of_share(1).is_followed(id_.int)
    assert not of_share(0).is_followed(id_.int)


# ---- messages that are told


def test_a_message_is_told_by_the_same_bytes_again(recorded: list[Span]) -> None:
    first, again = (OutMessage.of(CALL_EVENTS, ringing()) for _ in range(2))
    assert first.value == again.value
    traceparent = Envelope[CallRinging].model_validate_json(first.value).traceparent
    assert traceparent == f"00-{TRACE:032x}-{span_id_of(ringing().id):016x}-01"
    assert not recorded, "it is recorded when it is committed"


def test_without_a_collector_a_message_says_nothing_of_traces() -> None:
    message = OutMessage.of(CALL_EVENTS, ringing())
    assert message.span is None
    assert b"traceparent" not in message.value


def test_what_belongs_to_no_attempt_is_not_followed_by_itself(recorded: list[Span]) -> None:
    assert TRACES.stamped(TARGET_EVENTS, target_changed()) is None
    about_attempt = TRACES.stamped(TARGET_EVENTS, target_changed(ATTEMPT))
    assert about_attempt is not None
    assert about_attempt.trace_id == TRACE


def test_a_message_is_a_part_of_what_is_being_done(recorded: list[Span]) -> None:
    alone = TRACES.stamped(CALL_EVENTS, ringing())
    assert alone is not None
    assert alone.parent_id == root_of(TRACE)
    with TRACES.calling("originate", ATTEMPT) as within:
        inside = TRACES.stamped(CALL_EVENTS, ringing())
    assert within is not None
    assert inside is not None
    assert (inside.parent_id, inside.link) == (within.span_id, None)


def test_what_another_trace_led_to_is_linked_to_it(recorded: list[Span]) -> None:
    with TRACES.answering("PUT", FOREIGN, {}) as request:
        of_attempt = TRACES.stamped(CALL_EVENTS, ringing())
        of_request = TRACES.stamped(TARGET_EVENTS, target_changed())
    assert request is not None
    assert of_attempt is not None
    assert of_request is not None
    assert of_attempt.trace_id == TRACE
    assert of_attempt.link == (request.trace_id, request.span_id)
    assert (of_request.trace_id, of_request.parent_id) == (request.trace_id, request.span_id)


def test_what_goes_on_after_a_span_has_ended_is_not_in_it(recorded: list[Span]) -> None:
    span = Span(name="it", kind=SpanKind.INTERNAL, trace_id=TRACE, parent_id=None, attributes={})
    with Scope(ATTEMPT, span):
        assert current_span() is span
        span.ended_ns = 1
        assert current_span() is None


# ---- messages that are heard


def test_a_message_is_handled_below_the_span_that_told_it(recorded: list[Span]) -> None:
    told = OutMessage.of(CALL_EVENTS, ringing())
    heard = Envelope[CallRinging].model_validate_json(told.value)
    with TRACES.handling(heard, on_kafka(heard), "readers") as span:
        assert span is not None
        assert STORY.get() == ATTEMPT
    assert STORY.get() == ""
    assert recorded == [span]
    assert told.span is not None
    assert (span.trace_id, span.parent_id) == (TRACE, told.span.span_id)
    assert span.ended_ns >= span.begun_ns > 0


def test_a_foreign_producer_may_say_it_in_a_header(recorded: list[Span]) -> None:
    header = ("traceparent", FOREIGN.encode())
    with TRACES.handling(ringing(), on_kafka(ringing(), header), "readers") as span:
        assert span is not None
        assert f"{span.trace_id:032x}" in FOREIGN


def test_a_message_from_a_log_without_traces_is_handled_as_ever(recorded: list[Span]) -> None:
    with TRACES.handling(ringing(), on_kafka(ringing()), "readers") as span:
        assert span is None
        assert STORY.get() == ATTEMPT
    assert not recorded


def test_a_handling_that_fails_says_by_what_and_not_about_whom(recorded: list[Span]) -> None:
    told = OutMessage.of(CALL_EVENTS, ringing())
    heard = Envelope[CallRinging].model_validate_json(told.value)
    with (
        pytest.raises(ValueError, match="15550100011"),
        TRACES.handling(heard, on_kafka(heard), "readers"),
    ):
        raise ValueError("+15550100011")
    assert [span.error for span in recorded] == ["ValueError"]
    assert not re.search("5550100", str(recorded[0]))


def test_a_number_in_the_id_of_a_message_is_masked(recorded: list[Span]) -> None:
    told = ringing().model_copy(update={"id": f"dialer/{ATTEMPT}/+15550100011/10000033"})
    span = TRACES.stamped(CALL_EVENTS, told)
    assert span is not None
    assert span.attributes["messaging.message.id"] == f"dialer/{ATTEMPT}/********0011/10000033"


# ---- the whole


def test_the_root_of_a_trace_lasts_as_long_as_the_attempt(recorded: list[Span]) -> None:
    TRACES.whole("attempt", ATTEMPT, NOON, NOON + timedelta(seconds=12), {})
    (root,) = recorded
    assert (root.span_id, root.parent_id) == (root_of(TRACE), None)
    assert root.ended_ns - root.begun_ns == 12_000_000_000
