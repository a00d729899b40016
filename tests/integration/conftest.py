"""Kafka and Redis by every provider that the machine has, for the conformance suites."""

from collections.abc import Callable, Iterator
from os import environ
from typing import Protocol

import pytest
from campaignctl.infrastructure import (
    Found,
    Ground,
    Provider,
    Unavailable,
    docker_answers,
    standing_ground,
    take_kafka,
    take_redis,
)


class Stack(Protocol):
    @property
    def ground(self) -> Ground: ...
    def kafka(self) -> Found: ...
    def redis(self) -> Found: ...


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a conformance test over the providers that may be here.

    Native and embedded ones are always named, so that a missing one shows as a skip.
    """
    for fixture, variable in (("each_kafka", "KAFKA_BOOTSTRAP"), ("each_redis", "REDIS_URL")):
        if fixture in metafunc.fixturenames:
            possible = {
                Provider.ENV: bool(environ.get(variable)),
                Provider.DOCKER: docker_answers(),
                Provider.NATIVE: True,
                Provider.EMBEDDED: True,
            }
            providers = [provider for provider in Provider if possible[provider]]
            metafunc.parametrize(fixture, providers, ids=str, indirect=True, scope="session")


@pytest.fixture(scope="session")
def each_kafka(request: pytest.FixtureRequest, stack: Stack) -> Found:
    """Kafka by each provider in turn; the session's own is not started twice."""
    provider: Provider = request.param
    if "found_kafka" in _needed(request) and (kafka := stack.kafka()).provider is provider:
        return kafka
    return had(lambda: take_kafka(stack.ground, provider), provider)


@pytest.fixture(scope="session")
def each_redis(request: pytest.FixtureRequest, stack: Stack) -> Found:
    """Redis by each provider in turn; the session's own is not started twice."""
    provider: Provider = request.param
    if "found_redis" in _needed(request) and (redis := stack.redis()).provider is provider:
        return redis
    return had(lambda: take_redis(stack.ground, provider), provider)


@pytest.fixture(params=[Provider.NATIVE, Provider.EMBEDDED], ids=str)
def own_redis(request: pytest.FixtureRequest) -> Iterator[tuple[Found, Ground]]:
    """A Redis for this test alone, which it may kill."""
    with standing_ground(announce=lambda _: None) as ground:
        yield had(lambda: take_redis(ground, request.param), request.param), ground


def had(take: Callable[[], Found], provider: Provider) -> Found:
    try:
        return take()
    except Unavailable as error:
        if environ.get("STACK_REQUIRED") == provider:
            raise
        pytest.skip(f"no {provider} provider here: {str(error).splitlines()[0]}")


def _needed(request: pytest.FixtureRequest) -> set[str]:
    return {name for item in request.session.items for name in getattr(item, "fixturenames", ())}
