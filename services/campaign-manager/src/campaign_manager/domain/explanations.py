"""Why a campaign does or does not dial right now: the first obstacle in the order of the dialer."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from contracts.campaign import Campaign, CampaignStatus, EndHandle


class Obstacle(StrEnum):
    """What stands between a target and its call; the last five are those of a single one."""

    NONE = "none"
    NOT_STARTED = "not_started"
    STOPPING = "stopping"
    NO_OUTDIAL = "no_outdial"
    CONCURRENT_CALLS = "concurrent_calls"
    WAITING_FOR_AGENTS = "waiting_for_agents"
    CALLS_PER_SECOND = "calls_per_second"
    GATEWAY_PAUSE = "gateway_pause"
    RETRY_DUE_LATER = "retry_due_later"
    CALLING_HOURS = "calling_hours"
    DO_NOT_CALL = "do_not_call"
    IN_CALL = "in_call"
    ATTEMPTS_PER_DAY = "attempts_per_day"
    ATTEMPTS_PER_WEEK = "attempts_per_week"
    CALLS_UNDER_WAY = "calls_under_way"
    NOTHING_LEFT = "nothing_left"
    CLAIMED = "claimed"
    NO_CAMPAIGN = "no_campaign"
    EXHAUSTED = "exhausted"
    DONE = "done"
    DELETED = "deleted"


RULES = {
    Obstacle.CALLING_HOURS: "calling hours",
    Obstacle.DO_NOT_CALL: "do-not-call lists",
    Obstacle.IN_CALL: "another call to the number",
    Obstacle.ATTEMPTS_PER_DAY: "attempts per number and day",
    Obstacle.ATTEMPTS_PER_WEEK: "attempts per number and week",
    Obstacle.GATEWAY_PAUSE: "a pause of the gateway",
}
"""The rules that put targets off, in words."""


@dataclass(frozen=True, slots=True)
class Held:
    """Some targets and what they wait for; `until`, where that can be told."""

    obstacle: Obstacle
    count: int
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """What the explanation rests on, at one instant.

    Attributes:
        callable_now: Targets that wait for nothing but the campaign.
        due_later: Targets that wait for their interval, or that a rule has put off.
        next_due_at: When the first of those becomes callable.
        next_retry_at: The same of those who wait for their interval.
        deferred: Those whom rules have put off, rule by rule; first those who are due first.
        under_way: Targets in a claim or in a call.
        open_attempts: Those that count against the limit of concurrent calls.
        rung_last_second: Originations in the last second.
        calls_allowed: By the agents who are free; None: the campaign has no queue.
        paused_until: Until when the gateway has asked not to be asked for calls.
    """

    callable_now: int
    due_later: int
    next_due_at: datetime | None
    next_retry_at: datetime | None
    deferred: tuple[Held, ...]
    under_way: int
    open_attempts: int
    rung_last_second: int
    calls_allowed: int | None
    paused_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """The answer.

    Attributes:
        obstacle: What keeps the next target from being called; NONE: nothing does.
        why: The same in a sentence.
        held: All who wait, by what they wait for.
    """

    obstacle: Obstacle
    why: str
    held: tuple[Held, ...]


def explain(campaign: Campaign, facts: Facts) -> Explanation:
    """Return why the campaign does or does not dial."""
    obstacle, why = _first(campaign, facts)
    is_nobodys = obstacle in {Obstacle.CALLS_UNDER_WAY, Obstacle.NOTHING_LEFT}
    rows = (
        Held(Obstacle.NONE if is_nobodys else obstacle, facts.callable_now),
        Held(Obstacle.RETRY_DUE_LATER, facts.due_later - _put_off(facts), facts.next_retry_at),
        *facts.deferred,
        Held(Obstacle.CALLS_UNDER_WAY, facts.under_way),
    )
    return Explanation(obstacle, why, tuple(row for row in rows if row.count))


def _first(campaign: Campaign, facts: Facts) -> tuple[Obstacle, str]:
    """Return the first obstacle of all; the order is that of the dialer's own questions."""
    limits = campaign.limits
    allowed = facts.calls_allowed
    is_empty = not facts.callable_now
    table = (
        (
            campaign.status is CampaignStatus.STOP,
            Obstacle.NOT_STARTED,
            "it is stopped: start it with PUT /campaigns/{id}/status",
        ),
        (
            campaign.status is CampaignStatus.STOPPING,
            Obstacle.STOPPING,
            f"it stops as soon as its {facts.under_way} open calls have ended",
        ),
        (campaign.outdial_id is None, Obstacle.NO_OUTDIAL, "it has no outdial to dial"),
        (
            not _is_over(facts) and facts.paused_until is not None,
            Obstacle.GATEWAY_PAUSE,
            f"the gateway has asked for a pause until {_shown(facts.paused_until)}",
        ),
        (
            is_empty and 0 < facts.due_later <= _put_off(facts),
            facts.deferred[0].obstacle if facts.deferred else Obstacle.NONE,
            _deferred(facts),
        ),
        (is_empty and facts.due_later > 0, Obstacle.RETRY_DUE_LATER, _later(facts)),
        (
            is_empty and facts.under_way > 0,
            Obstacle.CALLS_UNDER_WAY,
            f"its last {facts.under_way} targets are being called",
        ),
        (is_empty, Obstacle.NOTHING_LEFT, _over(campaign)),
        (
            facts.open_attempts >= limits.max_concurrent_calls,
            Obstacle.CONCURRENT_CALLS,
            f"{facts.open_attempts} of {limits.max_concurrent_calls} concurrent calls are open",
        ),
        (
            allowed is not None and allowed <= facts.under_way,
            Obstacle.WAITING_FOR_AGENTS,
            f"the free agents of its queue allow {allowed} calls, "
            f"and {facts.under_way} are under way",
        ),
        (
            facts.rung_last_second >= limits.calls_per_second,
            Obstacle.CALLS_PER_SECOND,
            f"it makes its {limits.calls_per_second} calls per second",
        ),
    )
    for is_so, obstacle, why in table:
        if is_so:
            return obstacle, why
    return Obstacle.NONE, "nothing is in the way: it dials"


def _is_over(facts: Facts) -> bool:
    return not (facts.callable_now or facts.due_later)


def _shown(at: datetime | None) -> str:
    return at.isoformat(timespec="seconds") if at else "later"


def _later(facts: Facts) -> str:
    at = _shown(facts.next_due_at)
    return f"its {facts.due_later} targets wait for their time; the first is due at {at}"


def _put_off(facts: Facts) -> int:
    return sum(held.count for held in facts.deferred)


def _deferred(facts: Facts) -> str:
    rules = ", ".join(f"{RULES[held.obstacle]} {held.count}" for held in facts.deferred)
    at = _shown(facts.deferred[0].until if facts.deferred else None)
    return f"rules put all its targets off ({rules}); the first may be called at {at}"


def _over(campaign: Campaign) -> str:
    if campaign.end_handle is EndHandle.CONTINUE:
        return "every target is done; it waits for new ones"
    return "every target is done; it is about to stop"
