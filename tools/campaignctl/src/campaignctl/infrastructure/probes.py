"""Does it answer? A real metadata request to Kafka, a real PING to Redis, each within a limit.

Kafka is asked by a hand-made request: no event loop, no client threads, an exact time limit.
"""

import socket
import struct
from urllib.parse import urlsplit

import redis
from chassis.store import is_cluster, nodes_of
from redis.backoff import NoBackoff
from redis.retry import Retry

METADATA, METADATA_VERSION = 3, 5


def kafka_answers(bootstrap: str, within_s: float = 2.0) -> bool:
    """Say whether one of the brokers (`host:port,host:port`) names a broker that is alive."""
    return any(_broker_answers(address, within_s) for address in bootstrap.split(","))


def redis_version(url: str, within_s: float = 2.0) -> str | None:
    """Return the version of the server that answers a PING there, None when none does.

    Of a cluster, one of the nodes that its address names has to.
    """
    if is_cluster(url):
        scheme = "rediss" if urlsplit(url).scheme.startswith("rediss") else "redis"
        nodes = (f"{scheme}://{_login(url)}{host}:{port}/0" for host, port in nodes_of(url))
        return next(filter(None, (redis_version(node, within_s) for node in nodes)), None)
    client = redis.Redis.from_url(
        url,
        socket_timeout=within_s,
        socket_connect_timeout=within_s,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
    )
    try:
        client.ping()
        facts: dict[str, str] = client.info("server")
        return str(facts["redis_version"])
    except (redis.RedisError, OSError):
        return None
    finally:
        client.close()


def without_secrets(url: str) -> str:
    """Return `host:port` of an address, without its user and password."""
    return urlsplit(url).netloc.rpartition("@")[2]


def _login(url: str) -> str:
    login, at, _ = urlsplit(url).netloc.rpartition("@")
    return login + at


def _broker_answers(address: str, within_s: float) -> bool:
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), within_s) as connection:
            connection.settimeout(within_s)
            no_topics = struct.pack(">i?", 0, False)  # and none is to be made
            asked = struct.pack(">hhih", METADATA, METADATA_VERSION, 1, -1) + no_topics
            connection.sendall(struct.pack(">i", len(asked)) + asked)
            answer = connection.recv(16, socket.MSG_WAITALL)
            _size, _correlation, _throttle, brokers = struct.unpack(">iiii", answer)
            return bool(brokers > 0)
    except (OSError, ValueError, struct.error):
        return False
