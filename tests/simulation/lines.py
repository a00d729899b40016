"""The lines of a worker: to the store and to the network, with all that can go wrong on them.

A worker that is dead hears nothing any more; one that is frozen goes on when it is thawed. A line
breaks before what was asked arrives, or after it was done, and nobody can tell which.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

from redis.exceptions import ConnectionError as RedisAway

from tests.simulation.store import Store

LATENCY_S = (0.0002, 0.003)


class Health:
    """Whether a worker lives, and whether it is awake.

    Attributes:
        chance: Draws latencies and troubles.
        trouble: How likely each thing that is asked fails.
    """

    def __init__(self, chance: random.Random, trouble: float = 0.0) -> None:
        self.chance, self.trouble = chance, trouble
        self.is_alive = True
        self._awake = asyncio.Event()
        self._awake.set()

    def freeze(self) -> None:
        self._awake.clear()

    def thaw(self) -> None:
        self._awake.set()

    @property
    def is_awake(self) -> bool:
        return self._awake.is_set()

    async def go(self) -> None:
        """Return if the worker lives, once it is awake."""
        await self._awake.wait()
        if not self.is_alive:
            await asyncio.Event().wait()

    async def latency(self) -> None:
        await asyncio.sleep(self.chance.uniform(*LATENCY_S))

    def fails(self) -> bool:
        return self.trouble > 0 and self.chance.random() < self.trouble


class StoreLine:
    """A client of the store, as the engine's own code uses it."""

    def __init__(self, store: Store, health: Health) -> None:
        self._store, self._health = store, health

    async def ask(self, work: Callable[[], Any]) -> Any:
        await self._health.go()
        await self._health.latency()
        if self._health.fails():
            raise RedisAway("the line broke before it was asked")
        answer = work()
        is_lost = self._health.fails()
        await self._health.latency()
        await self._health.go()
        if is_lost:
            raise RedisAway("the line broke before the answer was heard")
        return answer

    async def execute(self, *words: Any) -> Any:
        return await self.ask(lambda: self._store.execute(*words))

    def register_script(self, text: str) -> Callable[..., Any]:
        async def run(*, keys: Any, args: Any) -> Any:
            return await self.ask(lambda: self._store.run(text, keys, args))

        return run

    async def mget(self, keys: list[str]) -> Any:
        return await self.execute("MGET", *keys)

    async def get(self, key: str) -> Any:
        return await self.execute("GET", key)

    async def smembers(self, key: str) -> Any:
        return await self.execute("SMEMBERS", key)

    async def zrem(self, key: str, *members: str) -> Any:
        return await self.execute("ZREM", key, *members)

    async def time(self) -> tuple[int, int]:
        seconds, micros = await self.execute("TIME")
        return int(seconds), int(micros)

    async def xrange(self, key: str, *, min: str, max: str) -> Any:  # noqa: A002
        return self._entries(await self.execute("XRANGE", key, min, max))

    async def xrevrange(self, key: str, *, max: str = "+", count: int) -> Any:  # noqa: A002
        return self._entries(await self.execute("XREVRANGE", key, max, "-", "COUNT", count))

    @staticmethod
    def _entries(rows: list[Any]) -> list[Any]:
        return [(id_, dict(zip(w[::2], w[1::2], strict=True))) for id_, w in rows]
