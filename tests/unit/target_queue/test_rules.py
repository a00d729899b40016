"""Which rules a changed campaign judges by otherwise than before."""

from datetime import UTC, datetime
from typing import Any

import pytest
from contracts.campaign import CallingHours, Campaign, CampaignLimits, Weekday
from target_queue import Rule, changed_rules

OF_CAMPAIGNS = {Rule.CALLING_HOURS, Rule.ATTEMPTS_PER_DAY, Rule.ATTEMPTS_PER_WEEK}
BEFORE = Campaign(
    campaign_id="c",
    customer_id="u",
    outdial_id="o",
    limits=CampaignLimits(max_concurrent_calls=4, calls_per_second=5),
    created_at=datetime(2026, 1, 15, 12, tzinfo=UTC),
)
HOURS = (CallingHours(days=tuple(Weekday), opens_minute=480, closes_minute=1260),)


def limited(**limits: int) -> CampaignLimits:
    return BEFORE.limits.model_copy(update=limits)


@pytest.mark.parametrize(
    ("change", "rules"),
    [
        ({}, set()),
        ({"name": "another"}, set()),
        ({"limits": limited(calls_per_second=9)}, set()),
        ({"calling_hours": HOURS}, {Rule.CALLING_HOURS}),
        ({"calling_zone": "Europe/Rome"}, {Rule.CALLING_HOURS}),
        ({"limits": limited(attempts_per_number_day=3)}, {Rule.ATTEMPTS_PER_DAY}),
        ({"limits": limited(attempts_per_number_week=3)}, {Rule.ATTEMPTS_PER_WEEK}),
        ({"outdial_id": "p"}, OF_CAMPAIGNS),
        ({"run_number": 1}, OF_CAMPAIGNS),
    ],
)
def test_what_is_edited_tells_which_rules_are_others_now(
    change: dict[str, Any], rules: set[Rule]
) -> None:
    assert set(changed_rules(BEFORE, BEFORE.model_copy(update=change))) == rules


def test_of_a_campaign_that_was_not_known_every_rule_is_new() -> None:
    assert set(changed_rules(None, BEFORE)) == OF_CAMPAIGNS
