"""What the end of a number means, and what the cause table says of every way to end."""

from collections import Counter

import pytest
from carrier_simulator.behaviours import (
    MACHINE,
    MIX,
    TABLE,
    Behaviour,
    Delivery,
    Timing,
    behaviour_of,
    explained,
)
from carrier_simulator.causes import (
    CALL_RECORD_BY_DIAL_STATUS,
    CAUSE_TEXT,
    ENDING_BY_SIP_STATUS,
    Ending,
    hung_up_by_us,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("number", "behaviour"),
    [
        ("155570203", Behaviour(ring_s=2, talk_s=3)),
        ("155570000", Behaviour()),
        ("155500915", Behaviour(digit="5")),
        ("155500927", Behaviour(digit="7")),
        ("155500930", Behaviour(ring_s=2, rings=False, is_early=True)),
        ("155500940", MACHINE),
        ("155500941", Behaviour(final=503, rings=False)),
        ("155500953", Behaviour(patience_s=2, busy_before=2)),
        ("155500960", Behaviour(talk_s=0)),
        ("155500961", Behaviour(patience_s=2)),
        ("155500983", Behaviour(patience_s=2, pause_s=3)),
        ("155500974", Behaviour(digit="4", digit_at=Timing.AFTER_PLAYBACK)),
        ("155500180", Behaviour(final=None)),
        ("155500000", Behaviour(final=None, is_reached=False, rings=False)),
        ("155500486", Behaviour(final=486)),
    ],
)
def test_the_end_of_the_number_chooses(number: str, behaviour: Behaviour) -> None:
    assert behaviour_of(number, seed=1) == behaviour


@pytest.mark.parametrize(
    ("number", "delivery"),
    [
        ("155500942", Delivery.LATE),
        ("155500943", Delivery.DOUBLED),
        ("155500944", Delivery.REORDERED),
        ("155500945", Delivery.NEVER),
        ("155500946", Delivery.REORDERED),
    ],
)
def test_some_numbers_have_their_signals_spoilt(number: str, delivery: Delivery) -> None:
    assert behaviour_of(number, seed=1).delivery is delivery


def test_a_ring_time_is_read_before_a_status() -> None:
    assert behaviour_of("155570486", seed=1) == Behaviour(ring_s=4, talk_s=86)


@pytest.mark.parametrize("status", ENDING_BY_SIP_STATUS)
def test_every_status_of_the_cause_table_can_be_dialed(status: int) -> None:
    assert behaviour_of(f"155500{status}", seed=1).final == status


@given(st.from_regex(r"\+?[0-9]{3,15}", fullmatch=True), st.integers(0, 2**32))
def test_a_number_always_does_the_same_for_one_seed(number: str, seed: int) -> None:
    assert behaviour_of(number, seed=seed) == behaviour_of(number, seed=seed)


def test_other_numbers_are_mixed_as_the_table_says() -> None:
    numbers = [f"1{n:05}22222" for n in range(10_000)]  # 22222 is in no row
    outcomes = Counter(behaviour_of(number, seed=7).final for number in numbers)
    wanted: Counter[int | None] = Counter()
    for percent, _, behaviour in MIX:
        wanted[behaviour.final] += percent
    for final, percent in wanted.items():
        assert outcomes[final] / 100 == pytest.approx(percent, abs=2.0)


def test_another_seed_is_another_mix() -> None:
    numbers = [f"1{n:05}22222" for n in range(100)]
    one, two = ([behaviour_of(number, seed=seed) for number in numbers] for seed in (1, 2))
    assert one != two


def test_the_percentages_are_of_a_hundred() -> None:
    assert sum(percent for percent, _, _ in MIX) == 100


def test_the_explanation_names_every_row() -> None:
    assert all(row.ending in explained() and row.meaning in explained() for row in TABLE)


def test_every_ending_has_a_text_and_a_call_record() -> None:
    for ending in ENDING_BY_SIP_STATUS.values():
        assert ending.cause in CAUSE_TEXT
        assert ending.dial_status in CALL_RECORD_BY_DIAL_STATUS


def test_the_sip_status_is_kept_beside_the_cause() -> None:
    assert all(status == ending.tech_cause for status, ending in ENDING_BY_SIP_STATUS.items())


def test_our_own_hang_up_has_a_sip_status_only_where_asterisk_gives_one() -> None:
    assert hung_up_by_us(16) == Ending(16)
    assert hung_up_by_us(34) == Ending(34, 503)
