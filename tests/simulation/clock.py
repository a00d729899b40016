"""Virtual time: a loop that jumps to its next timer, and a clock that each worker reads askew."""

import asyncio
import contextvars
import selectors
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, TypeVar

BEGIN = datetime(2026, 1, 15, 15, tzinfo=UTC)
skew_s: contextvars.ContextVar[float] = contextvars.ContextVar("skew_s", default=0.0)
Answer = TypeVar("Answer")


class Deadlock(Exception):
    """Nobody waits for a timer any more, and nothing else can ever happen."""


class _Jump(selectors.DefaultSelector):
    """Waits for nothing outside: whatever time there is to wait is over at once."""

    loop: "VirtualLoop"

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise Deadlock
        self.loop.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose time passes only while all wait."""

    def __init__(self) -> None:
        self.now = 0.0
        selector = _Jump()
        selector.loop = self
        super().__init__(selector)

    def time(self) -> float:
        return self.now


class Clock(datetime):
    """Stands in for `datetime` in the modules of a worker: `now` is virtual, and askew."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
        at = asyncio.get_running_loop().time() + skew_s.get()
        return (BEGIN + timedelta(seconds=at)).astimezone(tz or UTC)


def run(main: Coroutine[Any, Any, Answer]) -> Answer:
    """Run to the end in virtual time."""
    loop = VirtualLoop()
    try:
        return loop.run_until_complete(main)
    finally:
        while left := asyncio.all_tasks(loop):
            for task in left:
                task.cancel()
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.close()
