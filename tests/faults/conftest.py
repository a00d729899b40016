"""Engines whose ground can be taken away: brokers that die, lines that are cut or freeze."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from campaignctl.infrastructure import (
    Brokers,
    Found,
    Ground,
    Provider,
    start_kafka_cluster,
    take_redis,
)
from campaignctl.infrastructure.ports import free_port
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.proxy import Proxy, proxied
from tests.replaying import replayed_stack

SPEED = 2
SERVICES = ("CAMPAIGN_MANAGER", "DIALER", "FLOW_RUNNER")
HERE = Path(__file__).parent


class Session(Protocol):
    @property
    def ground(self) -> Ground: ...
    def redis(self) -> Found: ...
    def announce(self, line: str) -> None: ...


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("faults")


@dataclass(frozen=True)
class Lined:
    """An engine, and the lines between it and what it stands on.

    Attributes:
        kafka: Between all services and the only broker.
        redis: Between the dialer and Redis.
        gateway: Between the dialer and the network.
    """

    stack: Stack
    kafka: Proxy
    redis: Proxy
    gateway: Proxy


@dataclass(frozen=True)
class Asked:
    """What the command line asks for, and where figures are told."""

    seeds: range
    targets: int | None
    seconds: float
    tell: Callable[[str], None]


@pytest.fixture
def asked(seed: int, pytestconfig: pytest.Config, stack: Session) -> Asked:
    option = pytestconfig.option
    seeds = range(seed, seed + option.seeds)
    return Asked(seeds, option.targets, option.minutes * 60, stack.announce)


@pytest.fixture(scope="session")
def ground(stack: Session) -> Ground:
    return stack.ground


@pytest.fixture(scope="session")
def own_redis_url(ground: Ground) -> str:
    """A Redis that no other test uses."""
    return take_redis(ground, Provider.NATIVE).address


@pytest.fixture(scope="module")
def three_brokers(ground: Ground) -> Iterator[Brokers]:
    """A real Kafka of three brokers, which may be killed one by one."""
    brokers = start_kafka_cluster(ground, 3, name=f"kafka-{free_port()}")
    yield brokers
    for broker in brokers.each:  # an orderly end of the last one would wait for the others
        brokers.kill(broker.number)


@pytest.fixture(scope="module")
def replicated(
    three_brokers: Brokers, own_redis_url: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """An engine on three brokers; its topics have three replicas, two of which must be in sync."""
    settings = {f"{service}_REPLICATION_FACTOR": "3" for service in SERVICES}
    records = tmp_path_factory.mktemp("replicated")
    options = StackOptions(speed=SPEED, seed=seed, settings=settings, records=records)
    with engine_on(three_brokers.address, own_redis_url, options) as stack:
        yield stack


@pytest.fixture(scope="module")
def lined(
    ground: Ground, own_redis_url: str, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Lined]:
    """An engine whose lines to Kafka, Redis and the network can fail."""
    told, carrier_port = free_port(), free_port()
    brokers = start_kafka_cluster(ground, 1, name=f"kafka-{told}", told=[told])
    redis_port = urlsplit(own_redis_url).port or 0
    with (
        proxied(brokers.each[0].port, told) as kafka,
        proxied(redis_port) as redis,
        proxied(carrier_port) as gateway,
    ):
        settings = {
            "DIALER_REDIS_URL": f"redis://127.0.0.1:{redis.port}/0",
            "DIALER_ARI_URL": f"http://127.0.0.1:{gateway.port}/ari",
        }
        options = StackOptions(
            speed=SPEED,
            seed=seed,
            carrier_port=carrier_port,
            settings=settings,
            records=tmp_path_factory.mktemp("lined"),
        )
        with engine_on(f"127.0.0.1:{told}", own_redis_url, options) as stack:
            yield Lined(stack, kafka, redis, gateway)
    brokers.kill(1)


@contextmanager
def engine_on(kafka: str, redis: str, options: StackOptions) -> Iterator[Stack]:
    """Have an engine on a Kafka and a Redis that are there already."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KAFKA_BOOTSTRAP", kafka)
        patch.setenv("REDIS_URL", redis)
        patch.delenv("STACK_REQUIRED", raising=False)
        given = StackOptions(**vars(options) | {"kafka": "env", "redis": "env"})
        with replayed_stack(given) as stack:
            yield stack


@pytest.fixture
def campaign() -> Iterator[Callable[..., Campaign]]:
    """Makes campaigns on an engine."""
    made: list[Campaign] = []

    def make(stack: Stack, targets: int = 120, **how: object) -> Campaign:
        made.append(Campaign(stack, targets, **how))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for campaign in made:
        campaign.close()
