"""Changes to commit, and what of them waits to be published."""

from collections.abc import Sequence
from typing import Any

from chassis.outbox import (
    Change,
    Guard,
    Outbox,
    OutMessage,
    Write,
)
from chassis.shards import outbox_key


def a_key(shard: str, name: str = "a") -> str:
    return f"{{{shard}}}:order:{name}"


def a_message(text: str) -> OutMessage:
    return OutMessage("a-topic", "a-key", "order.placed", "a-story", text.encode())


def a_change(
    shard: str, operation: str, writes: Sequence[Write], *texts: str, guards: Sequence[Guard] = ()
) -> Change:
    return Change(
        shard=shard,
        operation=operation,
        writes=tuple(writes),
        guards=tuple(guards),
        messages=tuple(a_message(text) for text in texts),
    )


async def told(outbox: Outbox, shard: str) -> list[str]:
    """The messages that wait to be published, in their order."""
    return [entry[b"v"].decode() for _, entry in await waiting(outbox, shard)]


async def waiting(outbox: Outbox, shard: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    entries: Any = await outbox.redis.xrange(outbox_key(shard))
    return list(entries)
