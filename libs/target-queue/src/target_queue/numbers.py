"""What one number of one customer allows right now: do-not-call lists, one call, attempts.

An attempt holds its number before it rings and lets it go when its call has ended; both are one
atomic step, so that of all workers together one at most has the number. Time is Redis's.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from chassis.errors import TRANSIENT, Transient
from chassis.gather import Gather
from chassis.outbox import Outbox

from target_queue.keys import number_key, number_shard
from target_queue.numbering import number_of
from target_queue.packing import instant

NOBODY = b"[]"
HELD = b"held"
MILLISECOND = timedelta(milliseconds=1)


class Why(StrEnum):
    """Why a number cannot be called now."""

    DO_NOT_CALL = "do_not_call"
    IN_CALL = "in_call"
    ATTEMPTS_PER_DAY = "attempts_per_day"
    ATTEMPTS_PER_WEEK = "attempts_per_week"


@dataclass(frozen=True, slots=True)
class Held:
    """The number is the attempt's.

    Attributes:
        at: The store's time.
    """

    at: datetime


@dataclass(frozen=True, slots=True)
class Refusal:
    """The number cannot be called now.

    Attributes:
        why: Which rule says so.
        until: From when on its limit of attempts allows one more; None where no instant is known:
            a call ends when it ends, and a number is on a list until it is taken off.
        at: The store's time.
    """

    why: Why
    until: datetime | None
    at: datetime


Answer = tuple[bytes, int, datetime]


class Numbers:
    """The numbers of all customers. Addresses may be given for numbers."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._script = outbox.script(__package__, "number.lua")
        self._asked: Gather[tuple[str | int, ...], Answer] = Gather(self._send)

    async def hold(
        self,
        customer_id: str,
        number: str,
        attempt_id: str,
        *,
        per_day: int | None,
        per_week: int | None,
        lease: timedelta,
    ) -> Held | Refusal:
        """Hold a number for an attempt, which counts from now on; asking again is safe.

        Args:
            customer_id: Whose number: customers do not know of each other's calls.
            number: What the attempt will ring.
            attempt_id: Who holds it. Holding it again renews the lease and counts once.
            per_day: How many attempts any rolling 24 hours may see, this one included.
            per_week: The same for 7 days.
            lease: After which nobody holds it any more, should it never be let go; longer than
                the longest call, or renewed during it.

        Only attempts held under a limit are counted.

        Raises:
            Transient: Redis is away; it may or may not be held.
        """
        asked = ("hold", per_day or 0, per_week or 0, max(1, lease // MILLISECOND))
        word, until, at = await self._ask(customer_id, number, attempt_id, asked)
        if word == HELD:
            return Held(at)
        return Refusal(Why(word.decode()), instant(until) if until else None, at)

    async def let_go(
        self, customer_id: str, number: str, attempt_id: str, *, was_dialed: bool
    ) -> None:
        """Let a number go, if the attempt has it; doing so again is safe.

        Args:
            customer_id: Whose number.
            number: What the attempt has rung, or would have.
            attempt_id: Who held it.
            was_dialed: Whether it may have rung; one that never did does not count.

        Raises:
            Transient: Redis is away; it may or may not be held.
        """
        await self._ask(customer_id, number, attempt_id, ("let_go", int(was_dialed), 0, 0))

    async def is_listed(self, customer_id: str, number: str) -> bool:
        """Whether a number is on any do-not-call list of a customer.

        Raises:
            Transient: Redis is away.
        """
        try:
            record = await self._outbox.read(number_key(customer_id, number_of(number), "lists"))
        except TRANSIENT as trouble:
            raise Transient(f"redis is away: {trouble}") from trouble
        return record is not None and record.body != NOBODY

    async def _ask(
        self, customer_id: str, address: str, attempt_id: str, words: tuple[str | int, ...]
    ) -> Answer:
        number = number_of(address)
        request = (number_key(customer_id, number), attempt_id, *words)
        return await self._asked.ask(number_shard(customer_id, number), request)

    async def _send(self, shard: str, batch: list[tuple[str | int, ...]]) -> list[Answer]:
        words = [word for request in batch for word in request]
        try:
            said: Any = await self._script(keys=[f"{{{shard}}}:numbers"], args=words)
        except TRANSIENT as trouble:
            raise Transient(f"redis is away: {trouble}") from trouble
        at = instant(int(said[0]))
        return [(word, int(until), at) for word, until in zip(said[1::2], said[2::2], strict=True)]
