"""Kafka and Redis at addresses that the environment gives; never started, never stopped."""

from os import environ

from campaignctl.infrastructure.kafka_native import CAPABILITIES
from campaignctl.infrastructure.probes import kafka_answers, redis_version, without_secrets
from campaignctl.infrastructure.provider import (
    Ground,
    InfrastructureUnavailable,
    Running,
    Unavailable,
)
from campaignctl.infrastructure.redis_server import redis_capabilities

LIMIT_S = 2.0


def take_given_kafka(_: Ground) -> Running:
    """Take the brokers of `KAFKA_BOOTSTRAP`.

    Raises:
        Unavailable: The variable is not set.
        InfrastructureUnavailable: It is set, and no broker answers there.
    """
    bootstrap = environ.get("KAFKA_BOOTSTRAP")
    if not bootstrap:
        raise Unavailable("KAFKA_BOOTSTRAP is not set")
    if not kafka_answers(bootstrap, LIMIT_S):
        raise InfrastructureUnavailable(
            f"Kafka: KAFKA_BOOTSTRAP is {bootstrap}, but no broker there answers a metadata "
            f"request within {LIMIT_S:g} s. Start it, or unset the variable."
        )
    return Running(address=bootstrap, version="unknown", title="Kafka", capabilities=CAPABILITIES)


def take_given_redis(_: Ground) -> Running:
    """Take the server of `REDIS_URL`.

    Raises:
        Unavailable: The variable is not set.
        InfrastructureUnavailable: It is set, and no server answers there.
    """
    url = environ.get("REDIS_URL")
    if not url:
        raise Unavailable("REDIS_URL is not set")
    version = redis_version(url, LIMIT_S)
    if version is None:
        raise InfrastructureUnavailable(
            f"Redis: REDIS_URL names {without_secrets(url)}, but no server there answers a PING "
            f"within {LIMIT_S:g} s. Start it, or unset the variable."
        )
    capabilities = redis_capabilities(version)
    return Running(
        address=url, version=version, title=f"Redis {version}", capabilities=capabilities
    )
