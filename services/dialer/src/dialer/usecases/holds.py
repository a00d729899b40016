"""One call at a time to each number, its limits and the do-not-call lists: held, renewed, let go.

The number is held from before the intent until the attempt has ended. Leases are short, so that a
crash blocks a number for moments; what lasts longer is renewed by whoever answers for the attempt.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from chassis.errors import TRANSIENT, persist
from contracts.call import Attempt
from contracts.campaign import Campaign
from target_queue import Numbers, Refusal, Rule, Why

log = structlog.get_logger()

FIRST_LEASE = timedelta(seconds=15)
LEASE = timedelta(seconds=30)
RENEW_S = 5.0
AGAIN_AFTER = {
    Why.DO_NOT_CALL: timedelta(hours=1),
    Why.IN_CALL: timedelta(seconds=5),
    Why.ATTEMPTS_PER_DAY: timedelta(hours=1),
    Why.ATTEMPTS_PER_WEEK: timedelta(hours=1),
}


@dataclass(frozen=True, slots=True)
class PutOff:
    """A rule does not allow it yet; from when on it is worth trying again."""

    rule: Rule
    until: datetime


class Holds:
    """The numbers that this worker's attempts hold."""

    def __init__(
        self, numbers: Numbers, open_attempts: Callable[[], Iterable[tuple[Attempt, Campaign]]]
    ) -> None:
        self._numbers = numbers
        self._open_attempts = open_attempts
        self._renewed: frozenset[str] = frozenset()
        self._letting_go: set[asyncio.Task[None]] = set()

    async def take(self, attempt: Attempt, campaign: Campaign) -> PutOff | None:
        """Hold the attempt's number; return None, or what says that it may not be called yet."""
        refusal = await persist(
            lambda: self._hold(attempt, campaign, FIRST_LEASE), what="hold of a number"
        )
        if refusal is None:
            return None
        log.info("number not called", attempt_id=attempt.attempt_id, why=refusal.why.value)
        until = refusal.until or refusal.at + AGAIN_AFTER[refusal.why]
        return PutOff(Rule(refusal.why.value), until)

    async def is_listed(self, attempt: Attempt) -> bool:
        """Whether the attempt's number is on a do-not-call list."""
        address = attempt.destination.address
        return await persist(
            lambda: self._numbers.is_listed(attempt.customer_id, address), what="do-not-call list"
        )

    async def _hold(self, attempt: Attempt, campaign: Campaign, lease: timedelta) -> Refusal | None:
        said = await self._numbers.hold(
            attempt.customer_id,
            attempt.destination.address,
            attempt.attempt_id,
            per_day=campaign.limits.attempts_per_number_day,
            per_week=campaign.limits.attempts_per_number_week,
            lease=lease,
        )
        return said if isinstance(said, Refusal) else None

    def let_go(self, attempt: Attempt, *, was_dialed: bool) -> None:
        """Let the number go, soon; if that fails, its lease ends."""

        async def let_go() -> None:
            try:
                await self._numbers.let_go(
                    attempt.customer_id,
                    attempt.destination.address,
                    attempt.attempt_id,
                    was_dialed=was_dialed,
                )
            except TRANSIENT as trouble:
                log.info("number left to its lease", why=str(trouble))

        task = asyncio.create_task(let_go())
        self._letting_go.add(task)
        task.add_done_callback(self._letting_go.discard)

    async def renew(self) -> None:
        """Renew, every few seconds, the leases of all attempts that were open the last time too."""
        while True:
            held = list(self._open_attempts())
            lasting = [one for one in held if one[0].attempt_id in self._renewed]
            self._renewed = frozenset(attempt.attempt_id for attempt, _ in held)
            await asyncio.gather(
                *(self._hold(attempt, campaign, LEASE) for attempt, campaign in lasting)
            )
            await asyncio.sleep(RENEW_S)
