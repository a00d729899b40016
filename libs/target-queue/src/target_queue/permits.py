"""The last word before a ring: gate, fence and rate, checked in one step, by the store's time.

The rate is exact at the network, not here. A permit counts against its campaign from the moment it
is given until one second after the gateway has answered, for by then the ring had surely begun: so
no rolling second of the network sees more originations than the campaign may make. Room that is
about to be there is given away a moment ahead, and passed on when it is there: the way to the store
and back costs none of the rate. A campaign begins evenly and its rings are kept apart, so that each
minute is used like the others and those who ring do not wait for each other.
"""

import asyncio
import contextlib
import itertools
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

import structlog
from chassis.errors import TRANSIENT
from chassis.outbox import Outbox

from target_queue.keys import (
    attempt_key,
    gate_key,
    outdial_shard,
    rate_key,
    shared_rate_key,
)
from target_queue.packing import instant

log = structlog.get_logger()

ASKED_AT_ONCE = 200
SHORTEST_PAUSE_S, LONGEST_PAUSE_S = 0.001, 0.25
TROUBLE_PAUSE_S = 0.2
TOLD_WITHIN_S = 0.05
GIVEN, LATER = b"permit", b"later"


class Word(StrEnum):
    """What an attempt is told."""

    GO = "go"
    CLOSED = "closed"
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Permit:
    """The answer to an attempt that asked.

    Attributes:
        word: GO, and the version of its record is one higher now; CLOSED: the campaign's gate is
            not open for its run; LOST: the attempt is in other hands.
        at: The store's time.
        asked_at: The worker's own time, before it was asked.
    """

    word: Word
    at: datetime
    asked_at: float


@dataclass(slots=True)
class _Line:
    """Those of one campaign's run who wait for a permit, and what the gateway has answered."""

    keys: list[str]
    number: int
    prefix: str
    waiting: deque[tuple[str, int, asyncio.Future[Permit]]] = field(default_factory=deque)
    answered: dict[str, float] = field(default_factory=dict)
    has_asked: asyncio.Event = field(default_factory=asyncio.Event)
    asking: asyncio.Task[None] | None = None


class Permits:
    """Asks for permits; those who ask at the same time ask together."""

    def __init__(self, outbox: Outbox, clock: Callable[[], float] = time.monotonic) -> None:
        """Ask the store of an outbox.

        Args:
            outbox: Where the gates, the attempts and the rates are.
            clock: The worker's own time in seconds, as finely as it is known: an event loop's may
                know whole milliseconds only.
        """
        self._redis = outbox.redis
        self._clock = clock
        self._script = outbox.script(__package__, "permit.lua")
        self._ask_shared = outbox.script(__package__, "permit.lua", in_any_epoch=True)
        self._lines: dict[tuple[str, int], _Line] = {}
        self._shared: dict[str, _Line] = {}

    async def ask(
        self, outdial_id: str, campaign_id: str, run_number: int, attempt_id: str, version: int
    ) -> Permit:
        """Return once the attempt may ring now, or never may.

        Args:
            outdial_id: Tells the shard.
            campaign_id: Whose gate and rate.
            run_number: The gate must be open for this run.
            attempt_id: Who asks; asking again after a lost answer is safe.
            version: Of the attempt's record, its fence; 0 if it has none yet.
        """
        return await self._wait(
            self._line(outdial_id, campaign_id, run_number), attempt_id, version
        )

    async def ask_shared(self, scope: str, per_second: int, attempt_id: str) -> Permit:
        """Return once there is room in the rate of what campaigns share: a caller id, a gateway.

        Args:
            scope: Names it; the same everywhere.
            per_second: How many of it may begin in any rolling second.
            attempt_id: Who asks; call `answered_shared` with it afterwards.
        """
        return await self._wait(self._shared_line(scope, per_second), attempt_id, 0)

    def _shared_line(self, scope: str, per_second: int) -> _Line:
        line = self._shared.setdefault(scope, _Line([shared_rate_key(scope)], per_second, ""))
        line.number = per_second
        return line

    async def _wait(self, line: _Line, attempt_id: str, version: int) -> Permit:
        future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
        if not line.waiting:  # those who wait already know when asking again is worth it
            line.has_asked.set()
        line.waiting.append((attempt_id, version, future))
        self._work(line)
        return await future

    def answered(self, outdial_id: str, campaign_id: str, run_number: int, attempt_id: str) -> None:
        """Say that the gateway has answered: the ring has begun by now, or there is none."""
        self._answered(self._line(outdial_id, campaign_id, run_number), attempt_id)

    def answered_shared(self, scope: str, attempt_id: str) -> None:
        """Say the same to what campaigns share."""
        self._answered(self._shared[scope], attempt_id)

    def _answered(self, line: _Line, attempt_id: str) -> None:
        line.answered[attempt_id] = self._clock()
        self._work(line)

    async def was_given(self, attempt_id: str) -> bool:
        """Whether the last thing that happened to an attempt is its permit: it may have rung."""
        stored: Any = await self._redis.get(attempt_key(attempt_id))
        return isinstance(stored, bytes) and stored.split(b"|", 2)[1] == GIVEN

    def _line(self, outdial_id: str, campaign_id: str, run_number: int) -> _Line:
        line = self._lines.get((campaign_id, run_number))
        if line is None:
            shard = outdial_shard(outdial_id)
            line = self._lines[campaign_id, run_number] = _Line(
                keys=[rate_key(shard, campaign_id), gate_key(shard, campaign_id)],
                number=run_number,
                prefix=f"{{{shard}}}:attempt:",
            )
        return line

    def _work(self, line: _Line) -> None:
        if line.asking is None or line.asking.done():
            line.asking = asyncio.create_task(self._ask_for(line))

    async def _ask_for(self, line: _Line) -> None:
        """Ask for as long as somebody waits, and tell what has been answered."""
        pause_s = 0.0 if line.waiting else TOLD_WITHIN_S
        while line.waiting or line.answered:
            if pause_s:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(line.has_asked.wait(), pause_s)
            line.has_asked.clear()
            try:
                pause_s = await self._turn(line)
            except TRANSIENT as trouble:
                log.warning("permits wait", why=str(trouble))
                pause_s = TROUBLE_PAUSE_S

    async def _turn(self, line: _Line) -> float:
        """Ask once; return after how many seconds asking again is worth it.

        How long ago an answer came is told, not when: the store's clock may have been set since.
        """
        asking = list(itertools.islice(line.waiting, ASKED_AT_ONCE))
        answered = dict(line.answered)
        words: list[Any] = [line.number, line.prefix, len(answered)]
        asked_at = self._clock()
        for attempt_id, at in answered.items():
            words += (attempt_id, math.floor((asked_at - at) * 1_000_000))
        words += itertools.chain.from_iterable((id_, version) for id_, version, _ in asking)
        ask = self._script if line.prefix else self._ask_shared
        said: Any = await ask(keys=line.keys, args=words)
        for attempt_id in answered:
            del line.answered[attempt_id]
        self._tell(line, said[2:], instant(int(said[0])), asked_at)
        if not line.waiting:
            return TOLD_WITHIN_S
        return min(max(int(said[1]) / 1_000_000, SHORTEST_PAUSE_S), LONGEST_PAUSE_S)

    def _tell(self, line: _Line, words: list[bytes], at: datetime, asked_at: float) -> None:
        """Tell those who asked; whoever has to wait keeps his place."""
        later, now = [], self._clock()
        for word in words:
            asked = line.waiting.popleft()
            if word == LATER:
                later.append(asked)
            elif not asked[2].done():
                kind, _, microseconds = word.partition(b" ")
                permit = Permit(Word(kind.decode()), at, asked_at)
                self._pass_on(asked[2], permit, now + int(microseconds or 0) / 1_000_000)
        line.waiting.extendleft(reversed(later))

    def _pass_on(self, future: asyncio.Future[Permit], permit: Permit, valid_at: float) -> None:
        """Give a permit to who waits for it, as soon as it is surely valid.

        A timer may know whole milliseconds only: what fires too early looks again.
        """
        left_us = math.ceil((valid_at - self._clock()) * 1_000_000)
        if left_us > 0:
            asyncio.get_running_loop().call_later(
                left_us / 1_000_000, self._pass_on, future, permit, valid_at
            )
        elif not future.done():
            future.set_result(permit)
