"""How many calls dial for a queue, over all its campaigns and all workers.

A place is held from the claim to the answer or the end. It ends by itself after a time, so that
a worker that dies keeps no agent idle for long.
"""

from collections.abc import Collection
from datetime import timedelta
from importlib.resources import files
from typing import Any

from chassis.outbox import Outbox

from target_queue.keys import pace_key


class Pace:
    """The places of all queues."""

    def __init__(self, outbox: Outbox) -> None:
        self._redis = outbox.redis
        self._hold = self._redis.register_script(
            files("target_queue").joinpath("pace.lua").read_text(encoding="utf-8")
        )

    async def dialing(self, queue_id: str) -> int:
        """Return how many places are held."""
        said: Any = await self._hold(keys=[pace_key(queue_id)], args=[0, 0])
        return int(said[0])

    async def hold(
        self, queue_id: str, target_ids: Collection[str], *, at_most: int, lasting: timedelta
    ) -> frozenset[str]:
        """Hold places for targets, as far as they are free; return those that have one.

        Args:
            queue_id: Whose agents they are to reach.
            target_ids: Who is about to be called.
            at_most: Places of the queue altogether.
            lasting: When a place ends that nobody lets go.
        """
        micros = lasting // timedelta(microseconds=1)
        said: Any = await self._hold(keys=[pace_key(queue_id)], args=[at_most, micros, *target_ids])
        return frozenset(target_id.decode() for target_id in said[1:])

    async def let_go(self, queue_id: str, target_id: str) -> None:
        """Free the place of a target that has answered, or never will."""
        await self._redis.zrem(pace_key(queue_id), target_id)
