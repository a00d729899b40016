"""The mix of the demo: shares, numbers, and what the simulated network makes of them."""

from collections import Counter

import pytest
from campaignctl.mix import KINDS, TRIES, Kind, number_of, planned_targets, shares
from carrier_simulator.behaviours import behaviour_of
from hypothesis import given
from hypothesis import strategies as st


def test_the_shares_of_the_kinds_add_up_to_all() -> None:
    assert sum(kind.percent for kind in KINDS) == 100


@given(st.integers(min_value=1, max_value=2000))
def test_any_number_of_targets_is_shared_out_without_rest(count: int) -> None:
    assert sum(shares(count)) == count


def test_two_hundred_targets_show_every_kind_in_its_share() -> None:
    kinds = Counter(target.kind for target in planned_targets(200, seed=1))
    assert kinds == {kind: 2 * kind.percent for kind in KINDS}


def test_the_same_seed_plans_the_same_targets() -> None:
    assert planned_targets(50, seed=7) == planned_targets(50, seed=7)
    assert planned_targets(50, seed=7) != planned_targets(50, seed=8)


def test_no_number_is_used_twice() -> None:
    numbers = [number for target in planned_targets(2000, seed=3) for number in target.numbers]
    assert len(set(numbers)) == len(numbers)


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.meaning)
def test_the_behaviour_of_a_number_does_not_hang_on_its_place_in_the_run(kind: Kind) -> None:
    for ending in kind.endings:
        behaviours = {
            behaviour_of(number_of(seed, order, ending), seed=seed)
            for seed in (0, 7, 777)
            for order in (0, 7, 70, 777, 7777, 77777)
        }
        assert len(behaviours) == 1


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.meaning)
def test_what_a_kind_foretells_follows_from_the_behaviour_of_its_numbers(kind: Kind) -> None:
    attempts, is_answered = 0, False
    for ending, tries in zip(kind.endings, TRIES, strict=False):
        behaviour = behaviour_of(number_of(1, 1, ending), seed=1)
        for earlier in range(tries):
            attempts += 1
            is_answered = behaviour.final == 200 and behaviour.busy_before <= earlier
            if is_answered:
                break
        if is_answered:
            break
    assert (attempts, is_answered) == (kind.attempts, kind.is_answered)


def test_every_number_has_the_length_of_a_telephone_number() -> None:
    assert all(
        len(number) == len("+") + 15
        for target in planned_targets(200, seed=999)
        for number in target.numbers
    )
