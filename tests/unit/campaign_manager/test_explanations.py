"""Why a campaign does not dial: the first obstacle that the dialer would meet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from campaign_manager.domain.explanations import RULES, Facts, Held, Obstacle, explain
from contracts.campaign import Campaign, CampaignLimits, CampaignStatus, EndHandle
from target_queue import Rule

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
RUNNING = Campaign(
    campaign_id="c",
    customer_id="u",
    status=CampaignStatus.RUN,
    outdial_id="o",
    limits=CampaignLimits(max_concurrent_calls=4, calls_per_second=5),
    created_at=NOON,
)
DIALING = Facts(
    callable_now=10,
    due_later=3,
    next_due_at=NOON,
    next_retry_at=NOON,
    deferred=(),
    under_way=2,
    open_attempts=1,
    rung_last_second=1,
    calls_allowed=None,
)


PUT_OFF = (
    Held(Obstacle.DO_NOT_CALL, 1, NOON + timedelta(hours=1)),
    Held(Obstacle.CALLING_HOURS, 2, NOON + timedelta(hours=8)),
)


def with_status(status: CampaignStatus) -> Campaign:
    return RUNNING.model_copy(update={"status": status})


@pytest.mark.parametrize(
    ("campaign", "facts", "obstacle"),
    [
        (RUNNING, DIALING, Obstacle.NONE),
        (with_status(CampaignStatus.STOP), DIALING, Obstacle.NOT_STARTED),
        (with_status(CampaignStatus.STOPPING), DIALING, Obstacle.STOPPING),
        (RUNNING.model_copy(update={"outdial_id": None}), DIALING, Obstacle.NO_OUTDIAL),
        (RUNNING, replace(DIALING, open_attempts=4), Obstacle.CONCURRENT_CALLS),
        (RUNNING, replace(DIALING, rung_last_second=5), Obstacle.CALLS_PER_SECOND),
        (RUNNING, replace(DIALING, calls_allowed=0), Obstacle.WAITING_FOR_AGENTS),
        (RUNNING, replace(DIALING, calls_allowed=2), Obstacle.WAITING_FOR_AGENTS),
        (RUNNING, replace(DIALING, calls_allowed=3), Obstacle.NONE),
        (RUNNING, replace(DIALING, paused_until=NOON), Obstacle.GATEWAY_PAUSE),
        (
            with_status(CampaignStatus.STOP),
            replace(DIALING, paused_until=NOON),
            Obstacle.NOT_STARTED,
        ),
        (
            RUNNING,
            replace(DIALING, callable_now=0, due_later=0, paused_until=NOON),
            Obstacle.CALLS_UNDER_WAY,
        ),
        (RUNNING, replace(DIALING, callable_now=0), Obstacle.RETRY_DUE_LATER),
        (RUNNING, replace(DIALING, callable_now=0, deferred=PUT_OFF), Obstacle.DO_NOT_CALL),
        (
            RUNNING,
            replace(DIALING, callable_now=0, due_later=4, deferred=PUT_OFF),
            Obstacle.RETRY_DUE_LATER,
        ),
        (RUNNING, replace(DIALING, callable_now=0, due_later=0), Obstacle.CALLS_UNDER_WAY),
        (
            RUNNING,
            replace(DIALING, callable_now=0, due_later=0, under_way=0),
            Obstacle.NOTHING_LEFT,
        ),
    ],
)
def test_the_first_obstacle_is_named(campaign: Campaign, facts: Facts, obstacle: Obstacle) -> None:
    assert explain(campaign, facts).obstacle is obstacle


def test_everyone_who_waits_is_counted_once_by_what_he_waits_for() -> None:
    explanation = explain(RUNNING, replace(DIALING, open_attempts=4))
    assert explanation.held == (
        Held(Obstacle.CONCURRENT_CALLS, 10),
        Held(Obstacle.RETRY_DUE_LATER, 3, NOON),
        Held(Obstacle.CALLS_UNDER_WAY, 2),
    )


def test_each_rule_that_puts_targets_off_has_its_row() -> None:
    facts = replace(DIALING, due_later=5, deferred=PUT_OFF, under_way=0)
    assert explain(RUNNING, facts).held == (
        Held(Obstacle.NONE, 10),
        Held(Obstacle.RETRY_DUE_LATER, 2, NOON),
        *PUT_OFF,
    )


def test_the_sentence_names_all_rules_and_when_the_first_target_may_be_called() -> None:
    why = explain(RUNNING, replace(DIALING, callable_now=0, deferred=PUT_OFF)).why
    assert "do-not-call lists 1, calling hours 2" in why
    assert "2026-01-15T13:00:00" in why


def test_every_rule_of_the_queue_has_its_words() -> None:
    assert {obstacle.value for obstacle in RULES} == {rule.value for rule in Rule}


def test_a_campaign_that_continues_waits_for_new_targets() -> None:
    facts = replace(DIALING, callable_now=0, due_later=0, under_way=0)
    continuing = RUNNING.model_copy(update={"end_handle": EndHandle.CONTINUE})
    assert "waits for new ones" in explain(continuing, facts).why
    assert "about to stop" in explain(RUNNING, facts).why
