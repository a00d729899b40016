"""A gateway that asks for a pause: nothing is originated in it, nobody is lost or counted twice."""

import json
from collections import Counter
from datetime import datetime, timedelta
from typing import Any

from campaignctl.stack import Stack

from tests.e2e.test_life import Api, api, numbers, wait_until

__all__ = ["api"]

PAUSE = timedelta(seconds=2)


def test_a_pause_that_the_gateway_asks_for_is_kept_and_costs_nobody_an_attempt(
    api: Api, engine: Stack
) -> None:
    """One number of 41, whichever has its turn then, is refused with Retry-After 2 at first."""
    mine = numbers(40, "70000")
    (refused,) = numbers(1, "982")
    outdial, campaign = api.campaign([*mine[:4], refused, *mine[4:]], calls_per_second=20)
    obstacles: list[Any] = []
    earlier = pauses_asked_for(engine)

    def rung() -> list[dict[str, Any]]:
        return [line for line in engine.journal_lines() if line["number"] in {*mine, refused}]

    def is_over() -> bool:
        obstacles.append(api("GET", f"/campaigns/{campaign}/explain"))
        return api.status(campaign) == "stop"

    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(is_over, within_s=60)
    (asked,) = pauses_asked_for(engine)[len(earlier) :]
    after = [at for line in rung() if (at := datetime.fromisoformat(line["at"])) > asked]
    assert min(after) >= asked + PAUSE
    assert Counter(line["number"] for line in rung()) == Counter([*mine, refused])
    targets = api("GET", f"/outdials/{outdial}/targets?page_size=100")["result"]
    assert {target["status"] for target in targets} == {"done"}
    assert {target["try_count_0"] for target in targets} == {1}, "a refusal does not count"
    assert "gateway_pause" in {told["obstacle"] for told in obstacles}
    assert any("asked for a pause until" in told["why"] for told in obstacles)


def pauses_asked_for(engine: Stack) -> list[datetime]:
    """When the gateway has asked the dialer for a pause so far."""
    told = (engine.logs / "dialer.log").read_text().splitlines()
    lines = [json.loads(line) for line in told if "gateway asks for a pause" in line]
    return [datetime.fromisoformat(line["timestamp"]) for line in lines]
