"""The Redis client: one that never repeats a write by itself.

redis-py repeats a command whose answer was lost, and so makes one INCR out of eleven. Here a lost
answer is an error; whoever commits again does so under the same operation id.
"""

from typing import Any

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.typing import EncodableT

CONNECTIONS = 100
ANSWER_LIMIT_S = 10.0


class PackingConnection(Connection):
    """Packs commands in C: a commit has hundreds of words, and redis-py's own loop is slow."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Return the command in the wire format."""
        words: tuple[Any, ...] = (*str(args[0]).split(), *args[1:])  # "CLIENT SETNAME" is two
        return [pack_command(words)]


def connect(url: str) -> Redis:
    """Return a client that connects when it is used; bytes in, bytes out."""
    plain = {} if url.startswith("rediss") else {"connection_class": PackingConnection}
    pool = BlockingConnectionPool.from_url(
        url,
        **plain,
        max_connections=CONNECTIONS,
        timeout=ANSWER_LIMIT_S,
        socket_timeout=ANSWER_LIMIT_S,
        socket_connect_timeout=2.0,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        health_check_interval=0,
        protocol=2,
    )
    return Redis.from_pool(pool)
