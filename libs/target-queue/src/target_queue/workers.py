"""Which workers live, and which attempts each of them answers for.

A worker that is silent for too long counts as dead, by the store's time; another then takes its
attempts up, each by a commit that raises the attempt's version: a worker that was only slow finds
its fence gone.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from chassis.outbox import Outbox

from target_queue.keys import worker_key, workers_key

DEAD_AFTER = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Roll:
    """Who answers in a shard: how many live, the one who asks included, and who is silent."""

    living: int
    silent: tuple[str, ...]


class Workers:
    """The workers of all shards."""

    def __init__(self, outbox: Outbox) -> None:
        self._redis = outbox.redis
        self._beat = outbox.script(__package__, "beat.lua")

    async def beat(self, shard: str, worker: str, *, is_leaving: bool = False) -> Roll:
        """Say that a worker lives, or takes its leave, and return who else does."""
        silence = DEAD_AFTER // timedelta(microseconds=1)
        said: Any = await self._beat(
            keys=[workers_key(shard)], args=[worker, silence, int(is_leaving)]
        )
        silent = tuple(name.decode() for name in said[1] if name.decode() != worker)
        return Roll(living=int(said[0]), silent=silent)

    async def attempts_of(self, shard: str, worker: str) -> frozenset[str]:
        """Return the ids of the open attempts in a shard that a worker answers for."""
        members: Any = await self._redis.smembers(worker_key(shard, worker))
        return frozenset(member.decode() for member in members)

    async def forget(self, shard: str, worker: str) -> None:
        """Strike a worker off; one that lives after all is back with its next word."""
        await self._redis.zrem(workers_key(shard), worker)
