"""What runs in the background ends, even when it misses the first call to do so."""

import asyncio
from contextlib import suppress

from chassis.endings import end


async def test_a_cancel_that_is_swallowed_is_given_again() -> None:
    swallowed = 0

    async def deaf_at_first() -> None:
        nonlocal swallowed
        for _ in range(2):
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            swallowed += 1
        await asyncio.Event().wait()

    running = asyncio.create_task(deaf_at_first())
    await asyncio.sleep(0)
    async with asyncio.timeout(10):
        await end(running)
    assert running.cancelled()
    assert swallowed == 2


async def test_one_that_has_failed_or_ended_is_left_alone() -> None:
    async def fail() -> None:
        raise LookupError

    failed, ended = asyncio.create_task(fail()), asyncio.create_task(asyncio.sleep(0))
    await asyncio.wait((failed, ended))
    await end(failed, ended)
    assert isinstance(failed.exception(), LookupError)
    assert not ended.cancelled()
