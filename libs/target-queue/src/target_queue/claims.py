"""What a claim is, and what is answered to who asks for some."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from contracts.target import Target


class Verdict(StrEnum):
    """Why a claim returned what it did."""

    CLAIMED = "claimed"
    CLOSED = "closed"
    FULL = "full"
    LATER = "later"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class Claim:
    """A target that is ours until the lease ends, and the fence that proves it."""

    target: Target
    fence: int


@dataclass(frozen=True, slots=True)
class Claimed:
    """The answer to a claim.

    Attributes:
        verdict: Why these, or why none.
        pause: How long until asking again is worth it; None if only an event can change it.
        gate_version: Version of the gate that allowed it: guard the commit with it.
        now: The store's time.
        live: Open attempts of the campaign.
        waiting: Targets that wait, callable or not yet.
        in_claim: Targets claimed and not yet dialed.
        claims: The claimed targets.
    """

    verdict: Verdict
    pause: timedelta | None
    gate_version: int
    now: datetime
    live: int
    waiting: int
    in_claim: int
    claims: tuple[Claim, ...]

    @property
    def is_exhausted(self) -> bool:
        """Whether nothing is callable, claimed, open or waiting for its interval."""
        return self.verdict is Verdict.EMPTY and not (self.live or self.waiting or self.in_claim)

    @property
    def is_drained(self) -> bool:
        """Whether the gate is closed and nothing is claimed or open."""
        return self.verdict is Verdict.CLOSED and not (self.live or self.in_claim)
