"""The rules about whom to call when, kept by the running engine and told by `explain`."""

import csv
import random
import time
from datetime import UTC, datetime, timedelta
from typing import Any

from campaignctl.stack import Stack

from tests.e2e.test_life import Api, api, numbers, wait_until

__all__ = ["api"]

CARRIER_SPEED = 2
DURATION = 5
"""Its column in the call records, in the network's own seconds."""
EVERY_DAY = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def closed_now() -> list[dict[str, Any]]:
    """Return hours, in UTC, of which now is more than two hours away on either side."""
    opens = datetime.now(UTC) + timedelta(hours=4)
    if opens.hour == 23:
        opens += timedelta(hours=1)
    return [{"days": EVERY_DAY, "from": f"{opens.hour:02d}:00", "to": f"{opens.hour + 1:02d}:00"}]


def test_nobody_is_called_outside_the_hours_and_all_once_they_are_changed(
    api: Api, engine: Stack
) -> None:
    mine = numbers(5, "70000")
    hours = closed_now()
    _, campaign = api.campaign(mine, calling_hours=hours, calling_zone="UTC")

    def rung() -> list[dict[str, Any]]:
        return [line for line in engine.journal_lines() if line["number"] in set(mine)]

    def explained() -> Any:
        return api("GET", f"/campaigns/{campaign}/explain")

    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: [row["count"] for row in explained()["waiting"]] == [len(mine)])
    wait_until(lambda: explained()["obstacle"] == "calling_hours")
    (row,) = explained()["waiting"]
    assert row["count"] == len(mine)
    assert row["until"].split()[1].startswith(hours[0]["from"])
    time.sleep(1)  # as long as a dialer that does not care would need
    assert not rung()
    assert api.status(campaign) == "run"
    all_day = [{"days": EVERY_DAY, "from": "00:00", "to": "24:00"}]
    api("PUT", f"/campaigns/{campaign}", {"calling_hours": all_day})
    wait_until(lambda: api.status(campaign) == "stop")
    assert sorted(line["number"] for line in rung()) == sorted(mine)


def test_two_targets_of_one_number_are_called_one_after_the_other(api: Api, engine: Stack) -> None:
    (number,) = numbers(1, "70101")
    _, campaign = api.campaign([number, number])
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: api.status(campaign) == "stop", within_s=60)
    first, second = (line for line in engine.journal_lines() if line["number"] == number)
    with engine.call_records.open(newline="") as rows:
        (lasted,) = (
            float(row[DURATION]) for row in csv.reader(rows) if row[0] == first["channel_id"]
        )
    gap = datetime.fromisoformat(second["at"]) - datetime.fromisoformat(first["at"])
    assert gap >= timedelta(seconds=lasted / CARRIER_SPEED)
    assert lasted > 0.5, "there was something to wait for"


def test_a_number_is_attempted_no_more_often_a_day_than_the_campaign_says(
    api: Api, engine: Stack
) -> None:
    (number,) = numbers(1, "486")
    outdial, campaign = api.campaign([number], attempts_per_number_day=1)
    plan = api("GET", f"/campaigns/{campaign}")["outplan_id"]
    api("PUT", f"/outplans/{plan}", {"max_try_count_0": 3})
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(
        lambda: api("GET", f"/campaigns/{campaign}/explain")["obstacle"] == "attempts_per_day"
    )
    assert [line["number"] for line in engine.journal_lines()].count(number) == 1
    (target,) = api("GET", f"/outdials/{outdial}/targets")["result"]
    assert target["try_count_0"] == 1, "what was not dialed does not count"
    api("PUT", f"/campaigns/{campaign}", {"attempts_per_number_day": 3})
    wait_until(lambda: api.status(campaign) == "stop")
    assert [line["number"] for line in engine.journal_lines()].count(number) == 3


def test_a_number_on_a_do_not_call_list_is_called_by_no_campaign_until_it_is_taken_off(
    api: Api, engine: Stack
) -> None:
    mine = [f"+1212555{n:03d}0" for n in random.sample(range(1000), 2)]
    names = api("POST", "/donotcalls", {"name": "asked us not to call"})["id"]
    api("POST", f"/donotcalls/{names}/numbers", {"numbers": [mine[0]]})
    outdial, campaign = api.campaign(mine)
    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(lambda: api("GET", f"/campaigns/{campaign}/explain")["obstacle"] == "do_not_call")

    def rung() -> set[str]:
        return {line["number"] for line in engine.journal_lines()} & set(mine)

    wait_until(lambda: rung() == {mine[1]})
    blocked = next(
        row["id"]
        for row in api("GET", f"/outdials/{outdial}/targets")["result"]
        if row["destination_0"]["target"] == mine[0]
    )
    assert api("GET", f"/targets/{blocked}/explain")["obstacle"] == "do_not_call"
    assert api.status(campaign) == "run"
    assert rung() == {mine[1]}
    api("PUT", f"/donotcalls/{names}/numbers/remove", {"numbers": [mine[0]]})
    wait_until(lambda: rung() == set(mine), within_s=10)
    wait_until(lambda: api.status(campaign) == "stop", within_s=60)
    assert api("GET", f"/targets/{blocked}/explain")["obstacle"] in {"done", "exhausted"}
