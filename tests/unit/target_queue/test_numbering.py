"""Numbers: two spellings of one number are one, whatever kind of address they stand in."""

import pytest
from target_queue.numbering import e164_of, number_of


@pytest.mark.parametrize(
    ("address", "number"),
    [
        ("+12125550100", "+12125550100"),
        ("sip:+12125550100@carrier.example", "+12125550100"),
        ("SIPS:+12125550100;user=phone@carrier.example", "+12125550100"),
        ("+12125550100@carrier.example:5060", "+12125550100"),
        ("+4402071234567", "+442071234567"),
        ("+15550100011", "+15550100011"),
        ("sip:Ann@Example.com", "ann@example.com"),
        ("ann@example.com", "ann@example.com"),
        ("sip:1000@example.com", "1000@example.com"),
    ],
)
def test_an_address_rings_one_number(address: str, number: str) -> None:
    assert number_of(address) == number
    assert number_of(number) == number


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+1 (212) 555-0100", None, "+12125550100"),
        ("+44 (0)20 7123 4567", None, "+442071234567"),
        ("212 555 0100 ext. 7", "US", "+12125550100"),
        ("020 7123 4567", "GB", "+442071234567"),
        ("212 555 0100", None, None),
        ("tomorrow", "US", None),
        ("", None, None),
    ],
)
def test_a_number_is_read_as_people_write_it(
    text: str, region: str | None, number: str | None
) -> None:
    assert e164_of(text, region) == number
