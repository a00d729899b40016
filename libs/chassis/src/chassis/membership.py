"""A member of a consumer group: what it owes to the others when partitions move and when it ends.

A revoke waits for the batch in work and its commit. Offsets are committed after the work, a few
times a second.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Any

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, ConsumerRecord, TopicPartition
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError

log = structlog.get_logger()

BARRIER_S = 25.0
REJOINED_WITHIN_S = 3.0
COMMIT_EVERY_S = 0.25

Records = tuple[ConsumerRecord, ...]


class Barrier(ConsumerRebalanceListener):  # type: ignore[misc]
    """Makes a revoke wait for the batch in work, and tells the owner what is his."""

    def __init__(
        self,
        busy: asyncio.Lock,
        commit: Callable[[], Awaitable[None]],
        on_assigned: Callable[[frozenset[TopicPartition]], Awaitable[None]],
    ) -> None:
        self._busy = busy
        self._commit = commit
        self._on_assigned = on_assigned

    async def on_partitions_revoked(self, revoked: Collection[TopicPartition]) -> None:
        if not revoked:
            return
        try:
            async with asyncio.timeout(BARRIER_S), self._busy:
                await self._commit()
        except TimeoutError:
            log.warning("partitions revoked while a batch is in work", count=len(revoked))

    async def on_partitions_assigned(self, assigned: Collection[TopicPartition]) -> None:
        await self._on_assigned(frozenset(assigned))


async def joined(consumer: Any) -> None:
    """Wait until a member is one again whose group is just being put together anew.

    Only a member can leave: whoever ends in between is waited for by all others, until its session
    has ended.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    deadline = asyncio.get_running_loop().time() + REJOINED_WITHIN_S
    while getattr(coordinator, "generation", 1) <= 0:
        if asyncio.get_running_loop().time() > deadline:
            return
        await asyncio.sleep(0.02)


def let_leave(consumer: Any) -> None:
    """Have a member with a name of its own say so when it ends, like any other.

    aiokafka lets such a member go without a word, and its partitions would wait for its session.
    """
    coordinator = getattr(consumer, "_coordinator", None)
    if coordinator is not None:
        coordinator._group_instance_id = None


class Progress:
    """Offsets of what has been handled, committed a few times a second and before a revoke.

    A commit costs the broker a write. What is handled but not yet committed comes again after a
    crash, and every consumer skips what it has seen.
    """

    def __init__(self) -> None:
        self._consumer: AIOKafkaConsumer | None = None
        self._after: dict[TopicPartition, int] = {}
        self._commit_task: asyncio.Task[None] | None = None
        self._committing = asyncio.Lock()

    def note(self, consumer: AIOKafkaConsumer, records: Records) -> None:
        """Remember what has been handled, to be committed soon."""
        self._consumer = consumer
        for record in records:
            self._after[TopicPartition(record.topic, record.partition)] = record.offset + 1
        if self._after and (self._commit_task is None or self._commit_task.done()):
            self._commit_task = asyncio.create_task(self._soon())

    async def _soon(self) -> None:
        while self._after:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self.commit()

    async def close(self) -> None:
        """Return once all that has been noted is committed."""
        if self._commit_task is not None:
            await self._commit_task

    async def commit(self) -> None:
        """Commit what has been handled."""
        async with self._committing:  # a revoke waits for a commit that is on its way, too
            after, self._after = self._after, {}
            if not after or self._consumer is None:
                return
            try:
                await self._consumer.commit(after)
            except (CommitFailedError, IllegalStateError) as moved:
                log.info("offsets not committed: the partitions have moved", why=str(moved))
            except KafkaError as trouble:
                log.warning("offsets not committed: it will come again", why=str(trouble))
                self._after = after | self._after
