"""The first contact with Kafka and Redis: what is wrong with them, and what to do about it."""

import socket
import ssl
from typing import Any

import structlog
from aiokafka.conn import create_conn
from aiokafka.errors import (
    AuthenticationFailedError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)
from redis import exceptions as redis_errors
from redis.asyncio import Redis

from chassis.connections import Connections
from chassis.errors import Unfit
from chassis.provisioning import flaws, provision
from chassis.settings import ServiceSettings

log = structlog.get_logger()

ASKED_FOR_MS = 3000
ASK_FOR_LOGIN = "does it want a login? check KAFKA_SECURITY_PROTOCOL"
KAFKA_TROUBLES: tuple[tuple[tuple[type[BaseException], ...], str], ...] = (
    ((socket.gaierror,), "its name is unknown: check KAFKA_BOOTSTRAP"),
    ((ConnectionRefusedError,), "nothing listens there: check KAFKA_BOOTSTRAP"),
    ((ssl.SSLCertVerificationError,), "its certificate is not trusted: check KAFKA_CA_FILE"),
    ((ssl.SSLError,), "does not speak TLS as we do: check KAFKA_SECURITY_PROTOCOL"),
    ((UnsupportedSaslMechanismError,), "knows no such login: check KAFKA_SASL_MECHANISM"),
    (
        (AuthenticationFailedError, SaslAuthenticationFailed),
        "refuses the login: check KAFKA_USERNAME and KAFKA_PASSWORD",
    ),
    ((IllegalSaslStateError,), "wants no login, or another: check KAFKA_SECURITY_PROTOCOL"),
    ((TimeoutError,), "does not answer: is it Kafka, and up? check KAFKA_SECURITY_PROTOCOL, too"),
    (
        (KafkaError, ConnectionError),
        "ends the connection: check KAFKA_SECURITY_PROTOCOL",
    ),
)
"""What may go wrong with a connection, the first that fits, and what to say."""
REDIS_TROUBLES = (
    ("certificate verify failed", "its certificate is not trusted: check REDIS_CA_FILE"),
    ("ssl", "does not speak TLS as we do: check REDIS_URL (rediss:// is encrypted)"),
    ("wrongpass", "refuses the login: check REDIS_USERNAME and REDIS_PASSWORD"),
    ("invalid username-password", "refuses the login: check REDIS_USERNAME and REDIS_PASSWORD"),
    ("auth", "wants a login: set REDIS_USERNAME and REDIS_PASSWORD"),
    ("reset by peer", "ends the connection: check REDIS_URL (rediss:// is encrypted)"),
    (
        "connection closed by server",
        "ends the connection: check REDIS_URL (rediss:// is encrypted)",
    ),
)
"""The same by what redis-py says, in small letters."""


async def meet_kafka(settings: ServiceSettings) -> None:
    """Return if Kafka can be worked with: it lets us in, and the topics are as they should be.

    Raises:
        Unfit: It cannot; the text says why and what to do.
    """
    try:
        if settings.provision_topics:
            await provision(settings, replicas=settings.replication_factor)
        found = await flaws(settings, replicas=settings.replication_factor)
    except KafkaError as trouble:
        raise Unfit(await _why_unreachable(settings) or str(trouble)) from trouble
    for flaw in found:
        if not flaw.stops:
            log.warning("topic is not as it should be", why=flaw.says)
    if stopping := [flaw.says for flaw in found if flaw.stops]:
        raise Unfit("; ".join(stopping))


async def _why_unreachable(settings: Connections) -> str:
    """Return what each broker has against us; "" if that cannot be found out."""
    told = settings.kafka
    reasons = []
    for broker in told.pop("bootstrap_servers").split(","):
        host, _, port = broker.rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=ASKED_FOR_MS, **told)
        except Exception as trouble:
            reasons.append(f"Kafka at {broker} {why_of(trouble)}")
        else:
            connection.close()
            if settings.kafka_username is None:
                reasons.append(f"Kafka at {broker} answers nothing: {ASK_FOR_LOGIN}")
    return "; ".join(reasons)


def why_of(trouble: BaseException) -> str:
    """Return what a trouble with a connection to Kafka means, and what to look at."""
    says = next((says for kinds, says in KAFKA_TROUBLES if isinstance(trouble, kinds)), None)
    return f"{says} ({trouble})" if says else f"cannot be talked to: {trouble!r}"


async def meet_redis(redis: Redis) -> None:
    """Return if Redis lets us in; say so if it may forget what it is told.

    Raises:
        Unfit: It does not; the text says why and what to do.
        redis.exceptions.ConnectionError: It is away.
    """
    try:
        await redis.ping()
        told: Any = await redis.info("persistence")
        memory: Any = await redis.info("memory")
    except redis_errors.NoPermissionError as trouble:
        raise Unfit(f"Redis does not allow what we need: {trouble}") from trouble
    except (redis_errors.ConnectionError, redis_errors.ResponseError) as trouble:
        says = str(trouble).lower()
        why = next((why for part, why in REDIS_TROUBLES if part in says), None)
        if why is None:
            raise
        raise Unfit(f"Redis {why} ({trouble})") from trouble
    for server in _servers(told):
        if not int(server.get("aof_enabled", 0)):
            log.warning(
                "redis keeps nothing on disk at once: after a restart all stands still until "
                "`campaignctl rebuild`; set appendonly yes"
            )
    for server in _servers(memory):
        if server.get("maxmemory_policy", "noeviction") != "noeviction":
            log.warning(
                "redis may throw away what it holds: set maxmemory-policy noeviction",
                policy=server["maxmemory_policy"],
            )


def _servers(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what each server says of itself; a cluster's nodes answer side by side."""
    values = list(told.values())
    return values if values and all(isinstance(one, dict) for one in values) else [told]
