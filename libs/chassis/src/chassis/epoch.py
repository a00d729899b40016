"""The epoch of the store: whether Redis still holds what was written to it.

A Redis may come back empty, or as it was a moment ago: restarted, or a replica in its place. So
each shard carries the name of the epoch beside its keys, and every script and read asks for it:
what was lost refuses all, until it has been rebuilt from Kafka under a new name. What cannot be
seen in the keys, that another server answers, is seen when a connection is made (see `store`).
"""

import asyncio
import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.exceptions import ResponseError

from chassis.errors import Transient
from chassis.shards import every_shard, tag_of

RECORD = "{epoch}:now"
REBUILDING = b"rebuilding"
REFUSAL = "EPOCH"
REMEDY = "run `campaignctl rebuild`"
PRELUDE = f"""
local epoch_ = table.remove(ARGV)
local stamped_ = redis.call('GET', table.remove(KEYS))
if epoch_ ~= '' and stamped_ ~= epoch_ then return redis.error_reply('{REFUSAL} is another') end
"""


class Lost(Transient):
    """Redis does not hold what was written to it; a rebuild from Kafka brings it back."""


@dataclass(slots=True)
class Epoch:
    """The epoch that a program works in.

    Attributes:
        name: Demanded of every shard; "" (for tests and tools): nothing is demanded.
        servers: Run ids of the servers that held it when it was stamped; None: not known yet.
    """

    name: str = ""
    servers: frozenset[str] | None = None


def epoch_key(shard: str) -> str:
    """Key of the name of the epoch that a shard is in."""
    return f"{{{shard}}}:epoch"


class Script:
    """A Lua script on keys of one shard that does nothing unless the shard is in our epoch."""

    def __init__(self, redis: Redis, epoch: Epoch, text: str) -> None:
        self._script = redis.register_script(PRELUDE + text)
        self._epoch = epoch

    async def __call__(self, *, keys: Sequence[str], args: Sequence[Any]) -> Any:
        """Run it.

        Raises:
            Lost: The shard is in another epoch, or in none.
        """
        try:
            return await self._script(
                keys=[*keys, epoch_key(tag_of(keys[0]))], args=[*args, self._epoch.name]
            )
        except ResponseError as error:
            if str(error).startswith(REFUSAL):
                raise Lost(f"redis has lost what it held: {REMEDY}") from error
            raise


async def adopt(redis: Redis, epoch: Epoch) -> bool:
    """Work in the epoch of the store from now on; return whether it is another than before.

    Args:
        redis: A client that takes any server for the right one.
        epoch: Changed in place.

    Raises:
        Lost: The store is in no epoch: it is empty, has been replaced, or is being rebuilt.
    """
    record: Any = await redis.get(RECORD)
    stamped: list[Any] = await asyncio.gather(
        *(redis.get(epoch_key(shard)) for shard in every_shard())
    )
    if REBUILDING in stamped:
        raise Lost("redis is being rebuilt")
    if record is None:
        raise Lost(f"redis is empty, or was never in use: {REMEDY}")
    said = json.loads(record)
    if any(name != said["name"].encode() for name in stamped):
        raise Lost(f"a part of redis is empty: {REMEDY}")
    servers = await servers_of(redis)
    if not servers <= set(said["servers"]):
        raise Lost(f"redis was restarted or replaced, and may lack what came last: {REMEDY}")
    name = str(said["name"])
    is_new = epoch.name != name
    epoch.name, epoch.servers = name, servers
    return is_new


async def found(redis: Redis) -> None:
    """Begin the first epoch of a new installation, unless another program is doing so."""
    name, servers = uuid.uuid4().hex, await servers_of(redis)
    if await redis.set(RECORD, _record(name, servers), nx=True):
        await _stamp(redis, name)


async def close(redis: Redis) -> None:
    """End the epoch: from here on every program is refused, until `begin`."""
    await _stamp(redis, REBUILDING.decode())
    await redis.delete(RECORD)


async def begin(redis: Redis) -> None:
    """Begin a new epoch: what Redis holds is what Kafka tells."""
    name, servers = uuid.uuid4().hex, await servers_of(redis)
    await _stamp(redis, name)
    await redis.set(RECORD, _record(name, servers))


def run_id_of(said: bytes) -> str:
    """Return the run id of the server whose answer to INFO this is; a restart changes it."""
    found = re.search(rb"^run_id:(\w+)", said, re.MULTILINE)
    return found.group(1).decode() if found else ""


async def servers_of(redis: Redis) -> frozenset[str]:
    """Return the run ids of the servers that hold the keys."""
    if not isinstance(redis, RedisCluster):
        return frozenset({str((await redis.info("server"))["run_id"])})
    await redis.initialize()
    said = await asyncio.gather(
        *(
            redis.execute_command("INFO", "server", target_nodes=node)
            for node in redis.get_primaries()
        )
    )
    return frozenset(str(one["run_id"]) for one in said)


def _record(name: str, servers: frozenset[str]) -> str:
    return json.dumps({"name": name, "servers": sorted(servers)})


async def _stamp(redis: Redis, name: str) -> None:
    await asyncio.gather(*(redis.set(epoch_key(shard), name) for shard in every_shard()))
