"""The Redis client: one that never repeats a write by itself.

redis-py repeats a command whose answer was lost, and so makes one INCR out of eleven. Here a lost
answer is an error; whoever commits again does so under the same operation id. The same holds on a
Redis Cluster: a node that says "not here" (MOVED, ASK) has done nothing, so following it to the
right one repeats nothing; everything else is an error here too.
"""

from collections.abc import Awaitable, Callable
from typing import Any, cast
from urllib.parse import parse_qs, unquote, urlsplit

from hiredis import pack_command
from redis.asyncio import BlockingConnectionPool, Connection, Redis, SSLConnection
from redis.asyncio.cluster import ClusterNode, RedisCluster
from redis.asyncio.connection import parse_url
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import RedisClusterException
from redis.typing import EncodableT

from chassis.epoch import REMEDY, Epoch, run_id_of

CONNECTIONS = 100
NODE_CONNECTIONS = 1000  # a cluster's client refuses where the other waits
ANSWER_LIMIT_S = 10.0
CONNECT_LIMIT_S = 5.0
CLUSTER_SCHEMES = ("redis+cluster", "rediss+cluster")
DEFAULT_PORT = "6379"


class PackingConnection(Connection):
    """Packs commands in C: a commit has hundreds of words, and redis-py's own loop is slow."""

    def pack_command(self, *args: EncodableT) -> list[bytes]:
        """Return the command in the wire format."""
        words: tuple[Any, ...] = (*str(args[0]).split(), *args[1:])  # "CLIENT SETNAME" is two
        return [pack_command(words)]

    async def send_packed_command(self, *args: Any, **kwargs: Any) -> None:
        """Send a command in the wire format.

        Raises:
            redis.exceptions.ConnectionError: The connection is broken. uvloop makes a RuntimeError
                of it when it was reset a moment ago, which nobody would take for what it is.
        """
        try:
            await super().send_packed_command(*args, **kwargs)
        except RuntimeError as closed:
            raise RedisAway(f"the connection is broken: {closed}") from closed


class PackingTlsConnection(PackingConnection, SSLConnection):
    """The same, encrypted."""


class _Cluster(RedisCluster):
    """A cluster's client whose troubles are those of a single server's."""

    async def initialize(self, *args: Any, **kwargs: Any) -> "RedisCluster":
        """Learn which node has which slots.

        Raises:
            redis.exceptions.ConnectionError: No node tells, or they do not have all slots.
        """
        try:
            return await super().initialize(*args, **kwargs)
        except RedisClusterException as trouble:
            raise RedisAway(str(trouble)) from trouble

    async def execute_command(self, *args: EncodableT, **kwargs: Any) -> Any:
        """Execute a command on the node that has its key.

        While the slots are not known yet, redis-py would ask any node, and many at a time.
        """
        await self.initialize()
        return await super().execute_command(*args, **kwargs)

    async def time(self, **_: Any) -> tuple[int, int]:
        """Return the clock of one node: the nodes of a cluster must keep theirs together."""
        await self.initialize()
        node = self.get_default_node()
        said: tuple[int, int] = await self.execute_command("TIME", target_nodes=node)
        return said


def is_cluster(url: str) -> bool:
    """Say whether an address is that of a Redis Cluster."""
    return urlsplit(url).scheme in CLUSTER_SCHEMES


def nodes_of(url: str) -> list[tuple[str, int]]:
    """Return host and port of each server that an address names.

    Raises:
        ValueError: A port is not a number.
    """
    hosts = urlsplit(url).netloc.rpartition("@")[2].split(",")
    split = [host.rpartition(":") if ":" in host else (host, "", DEFAULT_PORT) for host in hosts]
    return [(host.strip("[]"), int(port)) for host, _, port in split]


def connect(url: str, epoch: Epoch | None = None) -> Redis:
    """Return a client that connects when it is used; bytes in, bytes out.

    Args:
        epoch: Only servers that hold what was written in it are talked to, once they are known.
        url: `redis://[user:password@]host:port/0` for one server (`rediss://`: encrypted), or
            `redis+cluster://[user:password@]host:port[,host:port]` for a cluster of which these
            nodes are asked for the others (`rediss+cluster://`: encrypted). `?ssl_ca_certs=FILE`
            names the authorities to trust.

    Raises:
        ValueError: The address is neither.
    """
    if is_cluster(url):
        # Its client has every command that we use, and is no subclass.
        return cast(Redis, _connect_cluster(url, epoch))
    told: dict[str, Any] = {**parse_url(url)}
    told["connection_class"] = PackingTlsConnection if _is_tls(url) else PackingConnection
    pool = BlockingConnectionPool(
        **told,
        redis_connect_func=_greeting(epoch),
        max_connections=CONNECTIONS,
        timeout=ANSWER_LIMIT_S,
        socket_timeout=ANSWER_LIMIT_S,
        socket_connect_timeout=CONNECT_LIMIT_S,
        retry=Retry(NoBackoff(), 0),
        retry_on_timeout=False,
        health_check_interval=0,
        protocol=2,
    )
    return Redis.from_pool(pool)


def _is_tls(url: str) -> bool:
    return urlsplit(url).scheme.startswith("rediss")


def _greeting(epoch: Epoch | None) -> Callable[[Any], Awaitable[None]] | None:
    """Return what begins a connection: ask which server it is, and leave another than ours.

    A connection never changes its server, so one look is enough for all that is asked over it.
    """
    if epoch is None:
        return None

    async def greet(connection: Any) -> None:
        await connection.on_connect()
        if epoch.servers is None:
            return
        await connection.send_command("INFO", "server")
        if run_id_of(await connection.read_response()) not in epoch.servers:
            raise RedisAway(f"redis was restarted or replaced: {REMEDY}")

    return greet


def _connect_cluster(url: str, epoch: Epoch | None) -> RedisCluster:
    parts = urlsplit(url)
    authorities = parse_qs(parts.query).get("ssl_ca_certs", [None])[0]
    client = _Cluster(
        startup_nodes=[ClusterNode(host, port) for host, port in nodes_of(url)],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password) if parts.password else None,
        ssl=_is_tls(url),
        ssl_ca_certs=authorities,
        max_connections=NODE_CONNECTIONS,
        reinitialize_steps=0,  # or every fifth redirection closes the connections of all others
        socket_timeout=ANSWER_LIMIT_S,
        socket_connect_timeout=CONNECT_LIMIT_S,
        retry=Retry(NoBackoff(), 0),
        health_check_interval=0,
        protocol=2,
    )
    # It takes neither of these, but hands on what lies here.
    client.connection_kwargs["redis_connect_func"] = _greeting(epoch)
    for node in client.startup_nodes:
        node.connection_kwargs["redis_connect_func"] = _greeting(epoch)
    kind = PackingTlsConnection if _is_tls(url) else PackingConnection
    client.connection_kwargs["connection_class"] = kind
    for node in client.startup_nodes:
        node.connection_class = kind
    return client
