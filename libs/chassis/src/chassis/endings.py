"""End what runs in the background, for certain."""

import asyncio
from typing import Any

AGAIN_S = 0.5


async def end(*running: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when they have ended, however they do.

    One cancel is not enough: `asyncio.wait_for` of Python 3.11, through which redis-py sends each
    command, swallows one that comes in the moment of its success.
    """
    open_ = {task for task in running if not task.done()}
    while open_:
        for task in open_:
            task.cancel()
        _, open_ = await asyncio.wait(open_, timeout=AGAIN_S)
