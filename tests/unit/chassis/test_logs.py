"""Telephone numbers do not reach the logs whole."""

import pytest
from chassis.logs import PRIVATE, mask, mask_numbers, name_story
from chassis.spans import Scope, Span
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanKind


@pytest.mark.parametrize(
    ("number", "masked"),
    [
        ("+15550100011", "********0011"),
        ("12345", "*2345"),
        ("1234", "*"),
        ("", "*"),
    ],
)
def test_only_the_last_digits_can_be_read(number: str, masked: str) -> None:
    assert mask(number) == masked


@given(st.text(min_size=9, max_size=40))
def test_a_masked_number_does_not_hold_the_number(number: str) -> None:
    assert mask(number)[:-4].strip("*") == ""
    assert len(mask(number)) == len(number)


@pytest.mark.parametrize("key", sorted(PRIVATE))
def test_what_stands_under_a_private_key_is_masked(key: str) -> None:
    event = mask_numbers(None, "info", {"event": "dialing", key: "+15550100011", "other": "12345"})
    assert event == {"event": "dialing", key: "********0011", "other": "12345"}


def test_debugging_shows_it() -> None:
    event = mask_numbers(None, "debug", {"number": "+15550100011"})
    assert event["number"] == "+15550100011"


def test_a_line_names_the_story_that_it_belongs_to() -> None:
    with Scope("a-story"):
        assert name_story(None, "info", {"event": "it"}) == {
            "event": "it",
            "correlation_id": "a-story",
        }
    assert name_story(None, "info", {"event": "it"}) == {"event": "it"}


def test_a_line_within_a_span_names_it() -> None:
    span = Span(name="it", kind=SpanKind.INTERNAL, trace_id=10, span_id=11, parent_id=None,
                attributes={})  # fmt: skip
    with Scope("a-story", span):
        line = name_story(None, "info", {})
    assert line == {
        "correlation_id": "a-story",
        "trace_id": "0000000000000000000000000000000a",
        "span_id": "000000000000000b",
    }


def test_a_number_in_the_id_of_a_story_is_masked() -> None:
    with Scope("customer/+15550100011"):
        assert name_story(None, "info", {})["correlation_id"] == "customer/********0011"
