"""The telephone network, its journal, and the gateway through which a worker reaches it."""

import asyncio
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from dialer.domain.signals import Answered, CallSignal, ChannelEnded, Ringing
from dialer.ports import (
    Fate,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
    Sighting,
)

from tests.simulation.clock import BEGIN
from tests.simulation.lines import Health

BUSY, CLEARED, NO_ANSWER = 17, 16, 19
DISPOSITION = {BUSY: "BUSY", CLEARED: "ANSWERED", NO_ANSWER: "NO ANSWER"}
SETTLED_AFTER_S = 1.5
REFUSALS = (
    GatewayUnavailable(),
    OriginationRefused(500, "the network says no"),
    GatewayPaused(503, "the network is busy", timedelta(seconds=3)),
)


@dataclass
class Channel:
    """A call in the network."""

    id: str
    number: str
    application: str
    state: str = "dialing"
    answered_at: float | None = None
    cause: int | None = None
    ended_at: float = 0.0
    is_silent: bool = False
    listeners: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class Rung:
    """A line of the journal."""

    at: float
    channel_id: str
    number: str


class Network:
    """Does with each number what its last digit says, and tells it as badly as its chance wants."""

    def __init__(self, chance: random.Random, mischief: float) -> None:
        self._chance, self._mischief = chance, mischief
        self.journal: list[Rung] = []
        self.channels: dict[str, Channel] = {}
        self.spans: list[tuple[str, float, float]] = []
        self._hear: dict[str, Callable[[CallSignal], None]] = {}
        self._loop = asyncio.get_running_loop()
        self.run_number = 1

    def restart(self) -> None:
        """Die and come back: every channel is gone, and nobody is told or finds a record of it."""
        for channel in self.channels.values():
            if channel.cause is None:
                self._close(channel, NO_ANSWER)
        self.channels.clear()
        self.run_number += 1

    def connect(self, application: str, hear: Callable[[CallSignal], None]) -> None:
        self._hear[application] = hear

    def disconnect(self, application: str) -> None:
        self._hear.pop(application, None)

    def invite(self, channel_id: str, number: str, application: str) -> None:
        """Begin a call, unless one of this name is up."""
        known = self.channels.get(channel_id)
        if known is not None and known.cause is None:
            return
        self.journal.append(Rung(self._loop.time(), channel_id, number))
        is_silent = self._chance.random() < self._mischief / 3
        channel = Channel(channel_id, number, application, is_silent=is_silent)
        self.channels[channel_id] = channel
        ring_s = self._chance.uniform(0.0, 2.0)
        self._loop.call_later(ring_s * 0.3, self._ring, channel)
        if number[-1] in "01":
            self._loop.call_later(ring_s, self._end, channel, BUSY)
        elif number[-1] == "2":
            self._loop.call_later(60.0, self._end, channel, NO_ANSWER)
        else:
            self._loop.call_later(ring_s, self._answer, channel)

    def end(self, channel_id: str, cause: int = CLEARED) -> None:
        if (channel := self.channels.get(channel_id)) is not None:
            self._end(channel, NO_ANSWER if channel.answered_at is None else cause)

    def _ring(self, channel: Channel) -> None:
        if channel.cause is None and channel.answered_at is None:
            channel.state = "ringing"
            self._tell(channel, Ringing(channel.id, self._at()))

    def _answer(self, channel: Channel) -> None:
        if channel.cause is None:
            channel.state, channel.answered_at = "up", self._loop.time()
            self._tell(channel, Answered(channel.id, self._at()))
            self._loop.call_later(self._chance.uniform(0.1, 4.0), self._end, channel, CLEARED)

    def _end(self, channel: Channel, cause: int) -> None:
        if channel.cause is None:
            self._close(channel, cause)
            ended = ChannelEnded(channel.id, self._at(), cause, None, None)
            self._tell(channel, ended)

    def _close(self, channel: Channel, cause: int) -> None:
        channel.cause, channel.ended_at = cause, self._loop.time()
        began = next(r.at for r in reversed(self.journal) if r.channel_id == channel.id)
        self.spans.append((channel.number, began, self._loop.time()))

    def _tell(self, channel: Channel, signal: CallSignal) -> None:
        """Tell a signal at once; by mischief late, twice, or in the wrong order."""
        for _ in range(0 if channel.is_silent else 2 if self._is_mischief() else 1):
            delay = self._chance.uniform(0.0, 3.0) if self._is_mischief() else 0.0005
            for name in sorted({channel.application, *channel.listeners}):
                self._loop.call_later(delay, self._deliver, name, signal)

    def _deliver(self, name: str, signal: CallSignal) -> None:
        if (hear := self._hear.get(name)) is not None:
            hear(signal)

    def _is_mischief(self) -> bool:
        return self._chance.random() < self._mischief

    def _at(self) -> datetime:
        return (BEGIN + timedelta(seconds=self._loop.time())).astimezone(UTC)


class GatewayLine:
    """A worker's gateway: the port of the dialer, over a line that may fail."""

    def __init__(
        self, network: Network, health: Health, worker: str, hear: Callable[[CallSignal], None]
    ) -> None:
        self._network, self._health, self._worker = network, health, worker
        self._hear = hear
        self._stand_ins: set[str] = set()
        self._loop = asyncio.get_running_loop()

    @property
    def run_id(self) -> str:
        return f"run {self._network.run_number}"

    @property
    def stood_in_for(self) -> frozenset[str]:
        return frozenset(self._stand_ins)

    def stand_in(self, worker: str) -> None:
        if worker != self._worker and self._health.is_alive:
            self._stand_ins.add(worker)
            self._network.connect(worker, self._hear)

    def stand_down(self, worker: str) -> None:
        self._stand_ins.discard(worker)

    async def originate(self, origination: Origination) -> None:
        await self._health.go()
        if origination.not_after is not None and self._loop.time() > origination.not_after:
            raise GatewayUnavailable
        if self._health.fails():
            raise self._health.chance.choice(REFUSALS)
        # From here on it is on its way, whatever becomes of the worker.
        way_s = self._health.chance.uniform(0.0005, 0.2)
        self._loop.call_later(
            way_s,
            self._network.invite,
            origination.channel_id,
            origination.address,
            self._worker,
        )
        is_lost = self._health.fails()
        await asyncio.sleep(way_s)
        await self._health.latency()
        await self._health.go()
        if is_lost:
            raise OriginationUnknown

    async def hang_up(self, channel_id: str, cause: int = CLEARED) -> None:
        await self._ask()
        self._network.end(channel_id, cause)

    async def lookup(self, channel_id: str) -> Sighting:
        await self._ask()
        if (found := self._sight(channel_id)) is not None:
            return found
        await asyncio.sleep(SETTLED_AFTER_S)
        await self._health.go()
        return self._sight(channel_id) or Sighting(Fate.NEVER_SEEN, gateway_run=self.run_id)

    def _sight(self, channel_id: str) -> Sighting | None:
        channel = self._network.channels.get(channel_id)
        if channel is None:
            return None
        if channel.cause is None:
            channel.listeners.add(self._worker)
            return Sighting(Fate.LIVE, state=channel.state)
        was_answered = channel.answered_at is not None
        return Sighting(
            Fate.ENDED, was_answered=was_answered, disposition=DISPOSITION[channel.cause]
        )

    async def _ask(self) -> None:
        await self._health.go()
        await self._health.latency()
        await self._health.go()
        if self._health.fails():
            raise GatewayUnavailable

    async def play(self, channel_id: str, media: str, playback_id: str) -> None:
        await self._ask()

    async def stop_playback(self, playback_id: str) -> None:
        await self._ask()

    async def connect(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None:
        await self._ask()
