"""Shards: which hash tag a thing lives under, and the keys of a shard's outbox.

What changes together shares a shard, a shard is one hash tag, and so one slot of a Redis Cluster.
"""

from zlib import crc32

from aiokafka.partitioner import murmur2

SHARDS = 8
NAMESPACES = ("definitions!", "calls", "dialing", "number", "flow", "queues!")
"""Those of all services: whoever rebuilds Redis, or looks whether it is whole, goes by them."""
ANNOUNCED = "published"


def shard_of(namespace: str, id_: str, count: int = SHARDS) -> str:
    """Return the shard of an id, such as `flow-3`: the same for ever, so never change `count`."""
    return f"{namespace}-{crc32(id_.encode()) % count}"


def shards_of(namespace: str, count: int = SHARDS) -> tuple[str, ...]:
    """Return every shard of a namespace. A namespace ending in `!` is one shard of that name."""
    if namespace.endswith("!"):
        return (namespace[:-1],)
    return tuple(f"{namespace}-{number}" for number in range(count))


def every_shard() -> tuple[str, ...]:
    """Return every shard of every namespace."""
    return tuple(shard for namespace in NAMESPACES for shard in shards_of(namespace))


def tag_of(key: str) -> str:
    """Return the shard that a key names."""
    return key[1 : key.index("}")]


def partition_of(key: str, count: int) -> int:
    """Return the partition of a topic where the relays put the messages of a key."""
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % count)


def outbox_key(shard: str) -> str:
    """Key of the stream of messages that wait to be published."""
    return f"{{{shard}}}:outbox"


def published_key(shard: str) -> str:
    """Key (and channel) of the id of the last published message."""
    return f"{{{shard}}}:{ANNOUNCED}"


def lease_key(shard: str) -> str:
    """Key of the right to relay the shard."""
    return f"{{{shard}}}:relay"
