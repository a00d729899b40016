"""A look-up that the gateway refuses is made again: the attempt must not be forgotten."""

import asyncio
from contextlib import suppress
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest
from dialer.ports import CommandRefused, Fate, Sighting
from dialer.usecases import recovery
from dialer.usecases.recovery import Recovery

AT = datetime(2026, 1, 15, 9, tzinfo=UTC)


class Overloaded:
    """A gateway that can look nothing up at first."""

    def __init__(self) -> None:
        self.asked = 0
        self.has_answered = asyncio.Event()

    async def lookup(self, channel_id: str) -> Sighting:
        self.asked += 1
        if self.asked < 3:
            raise CommandRefused(503, "too much to do")
        self.has_answered.set()
        return Sighting(Fate.LIVE, state="up")


async def test_a_refused_look_up_is_made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recovery, "RECHECK_S", 0.01)
    monkeypatch.setattr(recovery, "WATCH_S", 0.01)
    call = SimpleNamespace(attempt_id="a")
    held = SimpleNamespace(call=call, attempt=SimpleNamespace(ring_timeout_ms=20_000))
    live: Any = SimpleNamespace(held=held, is_originating=False, overdue_at=0.0)
    heard: list[Any] = []
    gateway = Overloaded()
    attempts = SimpleNamespace(live={"a": live}, hear=heard.append, now=lambda: AT)
    one = Recovery(
        outbox=cast("Any", None),
        attempts=cast("Any", attempts),
        dialing=cast("Any", None),
        gateway=cast("Any", gateway),
        worker="one",
    )
    await one.recover(live)
    watching = asyncio.create_task(one.watch())
    await asyncio.wait_for(gateway.has_answered.wait(), 5)
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching
    assert [signal.channel_id for signal in heard] == ["a"]
