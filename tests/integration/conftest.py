"""Kafka and Redis by every provider that the machine has; Redis as one server and as a cluster."""

import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from os import environ
from typing import Any, Protocol

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
from chassis.store import nodes_of
from redis.asyncio import Redis
from redis.commands.core import AsyncScript

KEY = re.compile(r"\{([^{}:]+)\}:")


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
    if {"found_redis", "store_url"} & _needed(request) and (
        redis := stack.redis()
    ).provider is provider:
        return redis
    return had(lambda: take_redis(stack.ground, provider), provider)


@pytest.fixture(scope="session", params=["redis", "cluster"])
def store_url(request: pytest.FixtureRequest) -> str:
    """The session's Redis, and a Redis Cluster: what keeps its promises must do so on both."""
    is_one = request.param == "redis"
    url: str = request.getfixturevalue("redis_url" if is_one else "redis_cluster_url")
    return url


@pytest.fixture
async def servers(store_url: str) -> AsyncIterator[list[Redis]]:
    """A plain client of each server of the store."""
    urls = [f"redis://{host}:{port}/0" for host, port in nodes_of(store_url)]
    async with AsyncExitStack() as at_end:
        yield [await at_end.enter_async_context(Redis.from_url(url)) for url in urls]


@pytest.fixture(autouse=True)
def _one_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    """No script is called with keys of two slots, not even with keys that it is told as words.

    A cluster refuses a key that another node has; here it shows also when one node has both.
    """
    call = AsyncScript.__call__

    async def watched(self: Any, keys: Any = None, args: Any = None, client: Any = None) -> Any:
        texts = [word for word in (*(keys or ()), *(args or ())) if isinstance(word, str)]
        tags = {found[1] for text in texts if (found := KEY.match(text))}
        assert len(tags) <= 1, f"one call, several slots: {sorted(tags)}"
        return await call(self, keys=keys, args=args, client=client)

    monkeypatch.setattr(AsyncScript, "__call__", watched)


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
