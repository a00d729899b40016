"""One Kafka and one Redis for the whole session, started only when a collected test needs them.

Tests share them, so each keeps to names of its own: `unique` makes them.
"""

import asyncio
import random
import signal
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar
from uuid import uuid4

import pytest
from campaignctl.infrastructure import (
    Found,
    Ground,
    InfrastructureUnavailable,
    Running,
    find_kafka,
    find_redis,
    require_program,
    standing_ground,
    start_redis_cluster,
)
from chassis import epoch
from chassis.store import connect
from hypothesis import settings

Server = TypeVar("Server", bound=Running)

settings.register_profile("engine", deadline=None)  # two cores that others use are no measure
settings.load_profile("engine")


def in_use(redis: Server) -> Server:
    """Begin an epoch there: what others have told Kafka is no concern of this session's Redis."""

    async def begin() -> None:
        client = connect(redis.address)
        await epoch.begin(client)
        await client.aclose()

    asyncio.run(begin())
    return redis


class Stack:
    """What the session has found; each part is looked for once, also when that fails."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self.announced: list[str] = []
        self._at_end = ExitStack()
        self._ground: Ground | None = None
        self._found: dict[str, Found | InfrastructureUnavailable] = {}
        self._cluster: Running | None = None

    @property
    def ground(self) -> Ground:
        if self._ground is None:
            self._ground = self._at_end.enter_context(standing_ground(announce=self.announce))
        return self._ground

    def kafka(self) -> Found:
        return self._once("kafka", find_kafka)

    def redis(self) -> Found:
        return self._once("redis", lambda ground: in_use(find_redis(ground)))

    def redis_cluster(self) -> Running:
        if self._cluster is None:
            self._cluster = in_use(start_redis_cluster(self.ground))
            self.announce(f"Redis Cluster: {self._cluster.title}")
        return self._cluster

    def close(self) -> None:
        self._at_end.close()

    def announce(self, line: str) -> None:
        self.announced.append(line)
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if terminal is not None:
            terminal.write_line(line)

    def _once(self, part: str, find: Callable[[Ground], Found]) -> Found:
        if part not in self._found:
            try:
                self._found[part] = find(self.ground)
            except InfrastructureUnavailable as error:
                self._found[part] = error
        found = self._found[part]
        if isinstance(found, InfrastructureUnavailable):
            raise found
        return found


STACK = pytest.StashKey[Stack]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--seed", type=int, default=None, help="what chance decides in fault tests; printed"
    )
    parser.addoption("--seeds", type=int, default=1, help="fault tests: how many of them in turn")
    parser.addoption("--targets", type=int, default=None, help="fault tests: targets of each")
    parser.addoption("--minutes", type=float, default=0.5, help="fault tests: how long to kill")


def pytest_configure(config: pytest.Config) -> None:
    config.stash[STACK] = Stack(config)
    # Whoever runs in the background has ctrl-C ignored, and so would all that tests start.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    if config.option.seed is None:
        config.option.seed = random.randrange(1_000_000)


def pytest_report_header(config: pytest.Config) -> str:
    return f"seed: {config.option.seed} (the same again: --seed {config.option.seed})"


def pytest_report_collectionfinish(config: pytest.Config, items: list[pytest.Item]) -> list[str]:
    """Start what the collected tests need now, so that the head of the report says what it is."""
    if config.option.collectonly:
        return []
    stack, said = config.stash[STACK], []
    needed = {name for item in items for name in getattr(item, "fixturenames", ())}
    for fixture, part in (("found_kafka", stack.kafka), ("found_redis", stack.redis)):
        if fixture in needed:
            try:
                part()
            except InfrastructureUnavailable as error:
                said.append(str(error))  # the tests that need it fail with it
    return said


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Name again what the tests ran on, conformance suites included."""
    if announced := config.stash[STACK].announced:
        terminalreporter.section("infrastructure")
        for line in announced:
            terminalreporter.write_line(line)


def pytest_unconfigure(config: pytest.Config) -> None:
    config.stash[STACK].close()


@pytest.fixture(scope="session")
def stack(pytestconfig: pytest.Config) -> Stack:
    return pytestconfig.stash[STACK]


@pytest.fixture(scope="session")
def found_kafka(stack: Stack) -> Found:
    """The session's Kafka: provider, version, capabilities, and its name at the supervisor."""
    return stack.kafka()


@pytest.fixture(scope="session")
def found_redis(stack: Stack) -> Found:
    """The session's Redis: provider, version, capabilities, and its name at the supervisor."""
    return stack.redis()


@pytest.fixture(scope="session")
def kafka_bootstrap(found_kafka: Found) -> str:
    return found_kafka.address


@pytest.fixture(scope="session")
def redis_url(found_redis: Found) -> str:
    return found_redis.address


@pytest.fixture(scope="session")
def redis_cluster_url(stack: Stack) -> str:
    """A Redis Cluster of three nodes."""
    return stack.redis_cluster().address


@pytest.fixture(scope="session")
def espeak_ng(stack: Stack) -> str:
    """The path of the speech program, installed first where it is missing."""
    return require_program("espeak-ng", stack.ground.supervisor, stack.announce)


@pytest.fixture(scope="session")
def seed(pytestconfig: pytest.Config) -> int:
    """What chance is to decide in this session; the report's head tells it."""
    return int(pytestconfig.option.seed)


@pytest.fixture
def unique() -> Callable[[str], str]:
    """Makes a name that no other test has: for topics, groups, keys."""
    return lambda stem: f"{stem}-{uuid4().hex[:12]}"


@pytest.fixture(autouse=True)
def _capabilities(request: pytest.FixtureRequest) -> None:
    """Skip a test marked `needs_kafka` on a broker that lacks the capability."""
    needed = {name for marker in request.node.iter_markers("needs_kafka") for name in marker.args}
    if not needed:
        return
    fixture = "each_kafka" if "each_kafka" in request.fixturenames else "found_kafka"
    kafka: Found = request.getfixturevalue(fixture)
    if missing := needed - kafka.capabilities:
        pytest.skip(f"{kafka.title} lacks {', '.join(sorted(missing))}")
