"""Let what is asked at the same time travel together: one call per shard, whoever asks."""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from chassis.spans import leave

Item = TypeVar("Item")
Answer = TypeVar("Answer")

LARGEST_BATCH = 200
GATHER_S = 0.002  # what is asked at the same moment travels together


class Gather(Generic[Item, Answer]):
    """Sends items in batches, one batch of a shard after the other, in the order of asking."""

    def __init__(
        self,
        send: Callable[[str, list[Item]], Awaitable[Sequence[Answer | Exception]]],
        gather_s: float = GATHER_S,
    ) -> None:
        """Gather for a function.

        Args:
            send: Sends items of a shard and returns an answer, or an error, for each; what it
                raises is the answer to all of them.
            gather_s: How long the first of a batch waits for others; those that come while a batch
                is under way travel together anyhow.
        """
        self._send = send
        self._gather_s = gather_s
        self._waiting: dict[str, deque[tuple[Item, asyncio.Future[Answer]]]] = {}
        self._flushing: dict[str, asyncio.Task[None]] = {}

    async def ask(self, shard: str, item: Item) -> Answer:
        """Return the answer to one item."""
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(shard, deque()).append((item, future))
        if shard not in self._flushing:
            self._flushing[shard] = asyncio.create_task(self._flush(shard))
        return await future

    async def _flush(self, shard: str) -> None:
        leave()  # it was started for one of many
        waiting = self._waiting[shard]
        try:
            await asyncio.sleep(self._gather_s)
            while waiting:
                batch = [waiting.popleft() for _ in range(min(len(waiting), LARGEST_BATCH))]
                await self._answer(shard, batch)
        finally:
            del self._flushing[shard]

    async def _answer(self, shard: str, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        answers: Sequence[Answer | Exception]
        try:
            answers = await self._send(shard, [item for item, _ in batch])
        except Exception as error:
            answers = [error] * len(batch)
        for (_, future), answer in zip(batch, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, Exception):
                future.set_exception(answer)
            else:
                future.set_result(answer)
