"""R5 and R7: lines between the programs and their ground are cut, or freeze one way or both."""

import time
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.faults.campaign import Campaign, until
from tests.faults.conftest import Lined
from tests.faults.proxy import Proxy, Way

Make = Callable[..., Campaign]
AWAY_S = 60.0
WATCHED_S = 5.0

pytestmark = pytest.mark.timeout(400)


@pytest.fixture
def healed(lined: Lined) -> Iterator[Lined]:
    """The engine, whole at the beginning and at the end."""
    lined.stack.await_ready(tuple(lined.stack.programs))
    yield lined
    for line in (lined.kafka, lined.redis, lined.gateway):
        line.heal()


@pytest.mark.parametrize("way", [Way.FORTH, Way.BACK, Way.BOTH], ids=lambda way: way.name)
def test_without_kafka_nothing_rings_and_dialing_resumes_by_itself(
    campaign: Make, healed: Lined, way: Way
) -> None:
    one = under_way(campaign, healed)
    healed.kafka.freeze(way)
    began = time.monotonic()
    until(lambda: "kafka" in healed.stack.not_ready("dialer"), 30, "the probe tells")
    one.assert_silent(WATCHED_S)
    until(lambda: time.monotonic() - began > AWAY_S, AWAY_S + 1, "the outage")
    healed.kafka.heal()
    one.await_end()
    one.verify()


@pytest.mark.parametrize("way", [Way.FORTH, Way.BACK, Way.BOTH], ids=lambda way: way.name)
def test_a_dialer_whose_line_to_redis_freezes_rings_nobody_twice(
    campaign: Make, healed: Lined, way: Way
) -> None:
    one = under_way(campaign, healed)
    healed.redis.freeze(way)
    until(lambda: "redis" in healed.stack.not_ready("dialer"), 30, "the probe tells")
    one.assert_silent(WATCHED_S)
    healed.redis.heal()
    one.await_end()
    one.verify()


@pytest.mark.parametrize("way", [Way.FORTH, Way.BACK, Way.BOTH], ids=lambda way: way.name)
def test_a_dialer_whose_line_to_the_gateway_freezes_rings_nobody_twice(
    campaign: Make, healed: Lined, way: Way
) -> None:
    one = under_way(campaign, healed)
    healed.gateway.freeze(way)
    until(lambda: "gateway" in healed.stack.not_ready("dialer"), 60, "the probe tells")
    one.assert_silent(WATCHED_S)
    healed.gateway.heal()
    one.await_end()
    one.verify()


@pytest.mark.parametrize("name", ["redis", "gateway", "kafka"])
def test_a_line_that_is_cut_again_and_again_loses_nothing(
    campaign: Make, healed: Lined, name: str
) -> None:
    one = under_way(campaign, healed)
    line: Proxy = getattr(healed, name)
    for _ in range(5):
        rung = len(one.rings())
        line.cut()
        line.heal()
        until(partial(goes_on, one, rung), 60, "it goes on")
    one.await_end()
    one.verify()


def under_way(campaign: Make, lined: Lined) -> Campaign:
    """A campaign of which a quarter has rung."""
    one = campaign(lined.stack)
    one.start()
    one.await_rings(one.targets // 4)
    return one


def goes_on(one: Campaign, rung: int) -> bool:
    return len(one.rings()) > rung + 3 or one.is_over()
