"""Telephone numbers do not reach the logs whole."""

import pytest
from chassis.logs import PRIVATE, mask, mask_numbers
from hypothesis import given
from hypothesis import strategies as st


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
