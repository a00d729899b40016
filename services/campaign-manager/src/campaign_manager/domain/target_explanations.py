"""Why a target is or is not being called right now: where it is, and then what its campaigns do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from contracts.campaign import Campaign, CampaignStatus
from contracts.target import Target, TargetOutcome, TargetStatus
from target_queue.places import Place

from campaign_manager.domain.explanations import RULES, Explanation, Obstacle

ORDER = (CampaignStatus.RUN, CampaignStatus.STOPPING, CampaignStatus.STOP)


@dataclass(frozen=True, slots=True)
class TargetExplanation:
    """The answer: the first obstacle, the same in a sentence, and until when, if that is known."""

    obstacle: Obstacle
    why: str
    until: datetime | None = None


def explain_target(
    target: Target, place: Place, campaigns: Sequence[tuple[Campaign, Explanation]]
) -> TargetExplanation:
    """Return why a target is or is not being called.

    Args:
        target: As its record has it.
        place: Where the queue has it.
        campaigns: Those that call its outdial, and why they do or do not dial.
    """
    return _over(target) or _under_way(target, place) or _waiting(place) or _in_line(
        place, campaigns
    )  # fmt: skip


def _over(target: Target) -> TargetExplanation | None:
    tried = sum(destination.attempt_count for destination in target.destinations)
    if target.deleted_at:
        return TargetExplanation(Obstacle.DELETED, f"it was deleted at {_shown(target.deleted_at)}")
    if target.status is not TargetStatus.DONE:
        return None
    if target.outcome is TargetOutcome.EXHAUSTED:
        why = f"its attempts are used up: {tried} were made, and none was answered"
        return TargetExplanation(Obstacle.EXHAUSTED, why)
    return TargetExplanation(Obstacle.DONE, f"it was answered at its attempt {tried}")


def _under_way(target: Target, place: Place) -> TargetExplanation | None:
    if place.attempt:
        why = f"its attempt {place.attempt.attempt_id} is open since {_shown(place.attempt.since)}"
        return TargetExplanation(Obstacle.CALLS_UNDER_WAY, why)
    if target.status is TargetStatus.PROGRESSING:
        return TargetExplanation(Obstacle.CALLS_UNDER_WAY, "it is being called")
    if place.lease_ends_at:
        why = "a dialer has just taken it, and gives it back if it does not call it"
        return TargetExplanation(Obstacle.CLAIMED, why, place.lease_ends_at)
    return None


def _waiting(place: Place) -> TargetExplanation | None:
    if place.due_at is None or place.due_at <= place.at:
        return None
    if place.rule:
        obstacle = Obstacle(place.rule.value)
        why = f"{RULES[obstacle]} put it off until {_shown(place.due_at)}"
        return TargetExplanation(obstacle, why, place.due_at)
    why = f"it waits for its interval until {_shown(place.due_at)}"
    return TargetExplanation(Obstacle.RETRY_DUE_LATER, why, place.due_at)


def _in_line(place: Place, campaigns: Sequence[tuple[Campaign, Explanation]]) -> TargetExplanation:
    if not campaigns:
        return TargetExplanation(Obstacle.NO_CAMPAIGN, "no campaign calls its outdial")
    campaign, explanation = min(campaigns, key=lambda row: ORDER.index(row[0].status))
    if explanation.obstacle is Obstacle.NONE:
        return TargetExplanation(Obstacle.NONE, f"it is callable; {place.ahead} are before it")
    why = f"it is callable; its campaign {campaign.campaign_id}: {explanation.why}"
    return TargetExplanation(explanation.obstacle, why)


def _shown(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
