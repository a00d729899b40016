"""Why a target is not called: what is its own comes first, then what its campaigns wait for."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from campaign_manager.domain.explanations import Explanation, Obstacle
from campaign_manager.domain.target_explanations import TargetExplanation, explain_target
from contracts.campaign import Campaign, CampaignStatus
from contracts.target import Destination, Target, TargetOutcome, TargetStatus
from target_queue import Rule
from target_queue.places import OpenAttempt, Place

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=2)
IDLE = Target(
    target_id="t",
    outdial_id="o",
    customer_id="u",
    destinations=(Destination(slot=0, kind="tel", address="+15550100011", attempt_count=2),),
    created_at=NOON,
    updated_at=NOON,
)
IN_LINE = Place(at=NOON, due_at=NOON, ahead=3)
NOTHING = Explanation(Obstacle.NONE, "nothing is in the way: it dials", ())
FOR_AGENTS = Explanation(Obstacle.WAITING_FOR_AGENTS, "no agent is free", ())
STOPPED = Explanation(Obstacle.NOT_STARTED, "it is stopped", ())


def target(**changed: object) -> Target:
    return IDLE.model_copy(update=changed)


def a_campaign(id_: str, status: CampaignStatus = CampaignStatus.RUN) -> Campaign:
    return Campaign(campaign_id=id_, customer_id="u", status=status, created_at=NOON)


RUNNING = (a_campaign("running"), NOTHING)


@pytest.mark.parametrize(
    ("who", "place", "obstacle", "until"),
    [
        (target(deleted_at=NOON), IN_LINE, Obstacle.DELETED, None),
        (
            target(status=TargetStatus.DONE, outcome=TargetOutcome.ANSWERED),
            Place(at=NOON),
            Obstacle.DONE,
            None,
        ),
        (
            target(status=TargetStatus.DONE, outcome=TargetOutcome.EXHAUSTED),
            Place(at=NOON),
            Obstacle.EXHAUSTED,
            None,
        ),
        (
            target(status=TargetStatus.PROGRESSING),
            Place(at=NOON, attempt=OpenAttempt("a1", "c", NOON)),
            Obstacle.CALLS_UNDER_WAY,
            None,
        ),
        (
            target(status=TargetStatus.PROGRESSING),
            Place(at=NOON),
            Obstacle.CALLS_UNDER_WAY,
            None,
        ),
        (IDLE, Place(at=NOON, lease_ends_at=LATER), Obstacle.CLAIMED, LATER),
        (IDLE, replace(IN_LINE, due_at=LATER), Obstacle.RETRY_DUE_LATER, LATER),
        *(
            (IDLE, replace(IN_LINE, due_at=LATER, rule=rule), Obstacle(rule.value), LATER)
            for rule in Rule
        ),
        (IDLE, replace(IN_LINE, rule=Rule.DO_NOT_CALL), Obstacle.NONE, None),
        (IDLE, IN_LINE, Obstacle.NONE, None),
    ],
)
def test_the_first_obstacle_is_named(
    who: Target, place: Place, obstacle: Obstacle, until: datetime | None
) -> None:
    found = explain_target(who, place, [RUNNING])
    assert (found.obstacle, found.until) == (obstacle, until)


@pytest.mark.parametrize("place", [IN_LINE, Place(at=NOON, due_at=LATER)])
def test_a_target_that_waits_for_itself_does_not_depend_on_its_campaign(place: Place) -> None:
    stopped = (a_campaign("one", CampaignStatus.STOP), STOPPED)
    waits = place.due_at == LATER
    expected = Obstacle.RETRY_DUE_LATER if waits else Obstacle.NOT_STARTED
    assert explain_target(IDLE, place, [stopped]).obstacle is expected


def test_the_campaign_that_runs_counts() -> None:
    stopped = (a_campaign("one", CampaignStatus.STOP), STOPPED)
    running = (a_campaign("two"), FOR_AGENTS)
    found = explain_target(IDLE, IN_LINE, [stopped, running])
    assert found.obstacle is Obstacle.WAITING_FOR_AGENTS
    assert found.why.endswith("campaign two: no agent is free")


def test_an_outdial_that_no_campaign_calls_says_so() -> None:
    assert explain_target(IDLE, IN_LINE, []).obstacle is Obstacle.NO_CAMPAIGN


def test_the_sentence_tells_the_attempt_and_the_place_in_the_line() -> None:
    called = Place(at=NOON, attempt=OpenAttempt("a1", "c", NOON))
    why = explain_target(IDLE, called, [RUNNING]).why
    assert "a1" in why
    assert "2026-01-15T12:00:00" in why
    assert explain_target(IDLE, IN_LINE, [RUNNING]) == TargetExplanation(
        Obstacle.NONE, "it is callable; 3 are before it"
    )
