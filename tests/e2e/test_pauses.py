"""A gateway that asks for a pause: nothing is originated in it, nobody is lost or counted twice."""

from collections import Counter
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from campaignctl.stack import Stack

from tests.e2e.test_life import Api, api, numbers, wait_until

__all__ = ["api"]

PAUSE = timedelta(seconds=2)


def test_a_pause_that_the_gateway_asks_for_is_kept_and_costs_nobody_an_attempt(
    api: Api, engine: Stack
) -> None:
    """The fifth number is refused with Retry-After 2 when it is first asked for."""
    mine = numbers(40, "70000")
    (refused,) = numbers(1, "982")
    outdial, campaign = api.campaign([*mine[:4], refused, *mine[4:]], calls_per_second=20)
    obstacles: list[Any] = []
    asked = asked_for_pauses(engine)

    def rung() -> list[dict[str, Any]]:
        return [line for line in engine.journal_lines() if line["number"] in {*mine, refused}]

    def is_over() -> bool:
        obstacles.append(api("GET", f"/campaigns/{campaign}/explain"))
        return api.status(campaign) == "stop"

    api("PUT", f"/campaigns/{campaign}/status", {"status": "run"})
    wait_until(is_over, within_s=60)
    at = sorted(datetime.fromisoformat(line["at"]) for line in rung())
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert max(gaps) >= PAUSE
    assert asked_for_pauses(engine) == asked + 1, "it pauses once"
    assert Counter(line["number"] for line in rung()) == Counter([*mine, refused])
    targets = api("GET", f"/outdials/{outdial}/targets?page_size=100")["result"]
    assert {target["status"] for target in targets} == {"done"}
    assert {target["try_count_0"] for target in targets} == {1}, "a refusal does not count"
    assert "gateway_pause" in {told["obstacle"] for told in obstacles}
    assert any("asked for a pause until" in told["why"] for told in obstacles)


def asked_for_pauses(engine: Stack) -> int:
    """How often the gateway has asked the dialer for a pause so far."""
    return (engine.logs / "dialer.log").read_text().count("gateway asks for a pause")
