"""Kafka and Redis in containers, where a Docker engine answers.

The libraries are imported where they are used: they are slow to import and look at the
environment while they do so.
"""

import socket
from functools import cache
from os import environ
from urllib.parse import urlsplit

from campaignctl.infrastructure.kafka_native import CAPABILITIES, QUICK
from campaignctl.infrastructure.provider import Ground, Running, Unavailable
from campaignctl.infrastructure.redis_server import redis_capabilities

ENGINE_LIMIT_S = 2
DEFAULT_ENGINE, DEFAULT_PORT = "unix:///var/run/docker.sock", 2375
START_LIMIT_S = 120
KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"
KAFKA_VERSION = "3.9.0"  # what that image holds
REDIS_IMAGE = "redis:7.2.5-alpine"
REDIS_COMMAND = "redis-server --appendonly yes --appendfsync everysec --maxmemory-policy noeviction"


def start_kafka_container(ground: Ground) -> Running:
    """Start Kafka in a container, removed at the end (by Ryuk after a kill -9).

    Raises:
        Unavailable: No engine answers, the state must be kept, or the container did not start.
    """
    _require_engine(ground)
    from testcontainers.community.kafka import KafkaContainer

    ground.announce(f"Starting Kafka in a container ({KAFKA_IMAGE}, pulled when missing) ...")
    try:
        container = KafkaContainer(KAFKA_IMAGE).with_kraft()
        for name, value in QUICK.items():
            container.with_env(f"KAFKA_{name.upper().replace('.', '_')}", value)
        ground.at_end.callback(container.stop)
        container.start(timeout=START_LIMIT_S)
        address = container.get_bootstrap_server()
    except Exception as error:  # several libraries' worth of kinds
        raise Unavailable(f"the container {KAFKA_IMAGE} did not start: {error}") from error
    title = f"Apache Kafka {KAFKA_VERSION} in {KAFKA_IMAGE}"
    return Running(address=address, version=KAFKA_VERSION, title=title, capabilities=CAPABILITIES)


def start_redis_container(ground: Ground) -> Running:
    """Start Redis in a container, removed at the end (by Ryuk after a kill -9).

    Raises:
        Unavailable: No engine answers, the state must be kept, or the container did not start.
    """
    _require_engine(ground)
    from testcontainers.community.redis import RedisContainer

    ground.announce(f"Starting Redis in a container ({REDIS_IMAGE}, pulled when missing) ...")
    try:
        container = RedisContainer(REDIS_IMAGE).with_command(REDIS_COMMAND)
        ground.at_end.callback(container.stop)
        container.start()
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(6379)}"
    except Exception as error:  # several libraries' worth of kinds
        raise Unavailable(f"the container {REDIS_IMAGE} did not start: {error}") from error
    version = REDIS_IMAGE.partition(":")[2].partition("-")[0]
    return Running(
        address=f"redis://{address}/0",
        version=version,
        title=f"Redis {version} in {REDIS_IMAGE}",
        capabilities=redis_capabilities(version),
    )


@cache
def docker_answers() -> bool:
    """Say whether a Docker engine answers a ping; asked once, within two seconds a step."""
    import docker
    from docker.errors import DockerException

    # Tried by hand first: the library leaves its socket open when nobody is there.
    if not _accepts(environ.get("DOCKER_HOST") or DEFAULT_ENGINE):
        return False
    try:
        client = docker.from_env(timeout=ENGINE_LIMIT_S)
    except DockerException:
        return False
    try:
        return client.ping()
    except (DockerException, OSError):
        return False
    finally:
        client.close()


def _accepts(engine: str) -> bool:
    where = urlsplit(engine)
    try:
        if where.scheme == "unix":
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(ENGINE_LIMIT_S)
                connection.connect(where.path)
        elif where.scheme in {"tcp", "http", "https"}:
            address = (where.hostname or "", where.port or DEFAULT_PORT)
            socket.create_connection(address, ENGINE_LIMIT_S).close()
    except OSError:
        return False
    return True


def _require_engine(ground: Ground) -> None:
    if ground.must_keep:
        raise Unavailable("containers keep nothing in a data folder")
    if not docker_answers():
        raise Unavailable("no Docker engine answers")
