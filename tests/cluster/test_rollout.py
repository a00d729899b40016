"""A rollout keeps to its strategy, whatever the order in which pods become ready."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.cluster.rollout import Step, Strategy, step, strategy_of

CAREFUL = Strategy(replicas=2, surge=1, unavailable=0, min_ready_s=5)


def deployment(replicas: int, **strategy: Any) -> dict[str, Any]:
    return {"spec": {"replicas": replicas, "strategy": strategy}}


@pytest.mark.parametrize(
    ("told", "surge", "unavailable"),
    [
        (deployment(2, rollingUpdate={"maxSurge": 1, "maxUnavailable": 0}), 1, 0),
        (deployment(3, rollingUpdate={"maxSurge": "50%", "maxUnavailable": "50%"}), 2, 1),
        (deployment(2), 1, 0),
        (deployment(2, type="Recreate"), 0, 2),
    ],
)
def test_a_strategy_is_read(told: dict[str, Any], surge: int, unavailable: int) -> None:
    may = strategy_of(told)
    assert (may.surge, may.unavailable) == (surge, unavailable)


def test_a_pod_is_made_before_one_is_ended() -> None:
    assert step(CAREFUL, new=0, old=2, available=2) == Step(make=1, end=0)
    assert step(CAREFUL, new=1, old=2, available=2) == Step(make=0, end=0)
    assert step(CAREFUL, new=1, old=2, available=3) == Step(make=0, end=1)
    assert step(CAREFUL, new=1, old=1, available=2) == Step(make=1, end=0)
    assert step(CAREFUL, new=2, old=1, available=3) == Step(make=0, end=1)
    assert step(CAREFUL, new=2, old=0, available=2) == Step(make=0, end=0)


@given(
    replicas=st.integers(1, 6),
    surge=st.integers(0, 3),
    unavailable=st.integers(0, 3),
    order=st.randoms(use_true_random=False),
)
def test_it_comes_to_its_end_within_its_bounds(
    replicas: int, surge: int, unavailable: int, order: Any
) -> None:
    may = Strategy(replicas, surge, min(unavailable, replicas), 0)
    if not may.surge + may.unavailable:
        return  # the API server refuses it
    old, ready, waiting = replicas, 0, 0
    for _ in range(100):
        told = step(may, new=ready + waiting, old=old, available=ready + old)
        waiting, old = waiting + told.make, old - told.end
        assert ready + waiting + old <= replicas + may.surge
        assert ready + old >= replicas - may.unavailable
        if waiting and order.random() < 0.5:
            ready, waiting = ready + 1, waiting - 1
    assert (ready, old) == (replicas, 0)
