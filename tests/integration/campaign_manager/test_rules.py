"""Rules about numbers: set, shown and told only where a client has set them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from contracts.campaign import AmbiguousHandle, CallingHours, CampaignLimits, Weekday
from contracts.topics import CAMPAIGN_EVENTS, RESOURCE_EVENTS

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

RULES: dict[str, Any] = {
    "calling_hours": [
        {"days": ["mon", "tue"], "from": "08:00", "to": "21:00"},
        {"days": ["sat"], "from": "00:00", "to": "24:00"},
    ],
    "calling_zone": "America/New_York",
    "attempts_per_number_day": 3,
    "attempts_per_number_week": 7,
    "ambiguous_handle": "redial",
}


async def test_rules_that_are_set_are_shown_and_told(api: Client, engine: Engine) -> None:
    made = await api.campaign(**RULES)
    assert {name: made[name] for name in RULES} == RULES
    assert await api.get(f"/campaigns/{made['id']}") == made
    told = (await engine.heard(CAMPAIGN_EVENTS, made["id"]))[-1].body.campaign
    assert told.calling_hours == (
        CallingHours(days=(Weekday.MON, Weekday.TUE), opens_minute=480, closes_minute=1260),
        CallingHours(days=(Weekday.SAT,), opens_minute=0, closes_minute=1440),
    )
    assert told.calling_zone == "America/New_York"
    assert told.limits == CampaignLimits(attempts_per_number_day=3, attempts_per_number_week=7)
    assert told.ambiguous_handle is AmbiguousHandle.REDIAL


async def test_rules_that_are_not_set_are_not_shown(api: Client) -> None:
    plain = await api.campaign()
    assert not RULES.keys() & plain.keys()
    ruled = await api.campaign(**RULES)
    cleared = dict.fromkeys(RULES) | {"ambiguous_handle": "count"}
    freed = await api.put(f"/campaigns/{ruled['id']}", cleared)
    assert freed.keys() == plain.keys()


async def test_one_rule_changes_and_the_others_stay(api: Client) -> None:
    made = await api.campaign(**RULES)
    hours = [{"days": ["sun", "sun", "fri"], "from": "09:30", "to": "17:00"}]
    path = f"/campaigns/{made['id']}"
    changed = await api.put(path, {"calling_hours": hours, "attempts_per_number_day": 1})
    assert changed["calling_hours"] == [{"days": ["fri", "sun"], "from": "09:30", "to": "17:00"}]
    assert changed["attempts_per_number_day"] == 1
    kept = RULES.keys() - {"calling_hours", "attempts_per_number_day"}
    assert {name: changed[name] for name in kept} == {name: RULES[name] for name in kept}


async def test_a_wrong_rule_leaves_the_campaign_as_it_was(api: Client) -> None:
    made = await api.campaign(**RULES)
    path = f"/campaigns/{made['id']}"
    assert (await api.ask("PUT", path, {"calling_zone": "Mars/Olympus"})).status_code == 400
    assert await api.get(path) == made


async def test_a_caller_id_may_have_a_rate_of_its_own(api: Client, engine: Engine) -> None:
    plain = await api.outplan()
    assert "source_calls_per_second" not in plain
    made = await api.outplan(source_calls_per_second=4)
    assert made["source_calls_per_second"] == 4
    told = await engine.heard(RESOURCE_EVENTS, f"outplan/{made['id']}")
    assert told[-1].body.outplan.source_calls_per_second == 4
    path = f"/outplans/{made['id']}/dial_info"
    assert (await api.put(path, {"source_calls_per_second": None})).keys() == plain.keys()
