"""The Redis client: one that never repeats a write by itself.

redis-py repeats a command whose answer was lost, and so makes one INCR out of eleven. Here a lost
answer is an error; whoever commits again does so under the same operation id.
"""

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECTIONS = 100
ANSWER_LIMIT_S = 10.0


def connect(url: str) -> Redis:
    """Return a client that connects when it is used; bytes in, bytes out."""
    pool = BlockingConnectionPool.from_url(
        url,
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
