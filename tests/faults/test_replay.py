"""P5: a campaign with retries, a queue and digits, each service killed in its middle, replays.

`--targets 20000` is the full size.
"""

import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from campaignctl.history import Range
from campaignctl.replaying import TOPICS, Asked
from campaignctl.stack import Stack, StackOptions
from contracts.call import CallSettled, Outcome
from dialer.domain import causes

from tests.faults.campaign import Campaign
from tests.faults.conftest import Asked as Options
from tests.replaying import assert_replays, replayed, replayed_stack

Make = Callable[..., Campaign]

ENDINGS = ("70002", "00972", "00486", "00971", "00404", "70101", "00180")
"""Answers, presses 2, is busy, presses 1, is unknown, hangs up soon, rings for ever."""
AGENTS = 40
KILLED = ("dialer-2", "flow-runner", "campaign-manager", "dialer")

pytestmark = pytest.mark.timeout(3600)


@pytest.fixture(scope="module")
def fleet(seed: int) -> Iterator[Stack]:
    settings = {f"{name}_LOG_LEVEL": "warning" for name in ("DIALER", "FLOW_RUNNER")}
    with replayed_stack(StackOptions(speed=20, dialers=2, settings=settings, seed=seed)) as stack:
        yield stack


def digits() -> list[dict[str, Any]]:
    """A greeting, a question; whoever presses 2 is let go, the others are given to an agent."""
    asked, bye, onward = (str(uuid.uuid4()) for _ in range(3))
    choice = {"target_ids": {"2": bye}, "default_target_id": onward}
    return [
        {"type": "talk", "option": {"text": "Press a key.", "language": "en-US"}},
        {"id": asked, "type": "digits_receive", "option": {"duration": 4000, "length": 1}},
        {"type": "branch", "option": choice},
        {"id": bye, "type": "hangup"},
        {"id": onward, "type": "talk", "option": {"text": "Please wait.", "language": "en-US"}},
    ]


def with_agents(campaign: Campaign) -> None:
    """Give a campaign a queue, and the queue agents who answer and hang up after a second."""
    tag = campaign.made("/tags", {"name": "all"})
    for number in range(AGENTS):
        agent = campaign.made(
            "/agents",
            {
                "username": f"agent-{number}-{uuid.uuid4()}",
                "password": "a long password",
                "tag_ids": [tag],
                "addresses": [{"type": "tel", "target": f"+15550{number:04d}70001"}],
            },
        )
        campaign.change(f"/agents/{agent}/status", {"status": "available"})
    queue = campaign.made(
        "/queues", {"name": "queue", "tag_ids": [tag], "routing_method": "random"}
    )
    campaign.change(f"/campaigns/{campaign.id}", {"queue_id": queue, "service_level": 200})


def test_every_decision_is_taken_again_and_a_changed_table_is_caught(
    campaign: Make, fleet: Stack, asked: Options, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = asked.targets or 300
    how = {"per_second": max(50, targets // 60), "concurrent": 400, "dial_timeout_ms": 5000}
    one = campaign(fleet, targets, endings=ENDINGS, fields={"actions": digits()}, **how)
    with_agents(one)
    one.start()
    for part, name in enumerate(KILLED, 1):
        one.await_rings(part * targets // (len(KILLED) + 1), within_s=120 + targets / 20)
        fleet.kill(name)
        fleet.children.restart(name)
    one.await_end(within_s=300 + targets / 10)
    replaying = assert_replays(fleet)
    total = replaying.decisions.total()
    asked.tell(f"{targets} targets: {replaying.messages:,} messages, {total:,} decisions replayed")
    assert replaying.decisions[Asked.PACING] >= targets
    one.verify()

    monkeypatch.setitem(causes.BY_SIP_STATUS, 404, Outcome.REJECTED)
    again = replayed(Range(bootstrap=fleet.kafka_bootstrap, topics=TOPICS))
    first = again.first
    assert first is not None
    assert first.asked is Asked.SETTLEMENT
    assert isinstance(first.logged, CallSettled)
    assert (first.logged.outcome, first.decided.outcome) == (Outcome.FAILED, Outcome.REJECTED)
