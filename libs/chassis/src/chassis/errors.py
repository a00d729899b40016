"""Three kinds of error: refused (the caller is wrong), transient (try again), and all others."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

import structlog
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, NodeNotReadyError
from redis import exceptions as redis_errors

log = structlog.get_logger()
Answer = TypeVar("Answer")


class Refused(Exception):
    """The caller is wrong; nothing has changed."""


class Transient(Exception):
    """Redis, Kafka or another neighbour is away; the same again may work later."""


class Unfit(Transient):
    """A neighbour is there, but cannot be worked with as it is, until somebody mends that."""


class Forgotten(Transient):
    """What was done may be lost, or not: look what came of it, and do not ask the same again."""


TRANSIENT: tuple[type[BaseException], ...] = (
    Transient,
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.BusyLoadingError,
    redis_errors.ReadOnlyError,  # refused by one that is no longer the primary
    redis_errors.ClusterError,
    redis_errors.TryAgainError,
    redis_errors.SlotNotCoveredError,
    KafkaConnectionError,
    KafkaTimeoutError,
    NodeNotReadyError,
)


async def persist(
    attempt: Callable[[], Awaitable[Answer]],
    *,
    what: str,
    on_trouble: Callable[[bool, str], None] = lambda _is_ok, _detail: None,
    longest_pause: float = 5.0,
) -> Answer:
    """Do it again until no transient error comes out of it.

    Args:
        attempt: Must be safe to repeat.
        what: Named in the log.
        on_trouble: Told (False, why) while it fails, and (True, "") when that is over.
        longest_pause: Seconds; pauses double from 0.1 up to it.

    Raises:
        Forgotten: Asking again would never come to an end.
    """
    pause = 0.1
    try:
        while True:
            try:
                return await attempt()
            except Forgotten:
                raise
            except TRANSIENT as trouble:
                on_trouble(False, f"{what}: {trouble}")
                log.warning("waiting for a neighbour", what=what, why=str(trouble), pause_s=pause)
            await asyncio.sleep(pause)
            pause = min(pause * 2, longest_pause)
    finally:
        on_trouble(True, "")
