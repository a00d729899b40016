"""The campaign tutorial as a client follows it: outdial, outplan, campaign, start, wait."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from campaignctl.census import Census, Standing
from campaignctl.client import Client, Resource
from campaignctl.errors import CannotGoOn
from campaignctl.mix import TRIES, Planned
from campaignctl.screen import as_line

LOOK_EVERY_S = 0.5
SETTLED_WITHIN_S = 10.0
OUTPLAN = {
    "name": "demo",
    "detail": "twice the first number, once the second",
    "source": {"type": "tel", "target": "+15550100001"},
    "dial_timeout": 20_000,
    "try_interval": 1_500,
    **{f"max_try_count_{slot}": tries for slot, tries in enumerate(TRIES)},
}
GREETING = "Hello. This is the campaign engine. Thank you for listening, and good bye."
CAMPAIGN = {
    "name": "demo",
    "detail": "targets of every behaviour",
    "type": "call",
    "end_handle": "stop",
    "actions": [{"type": "talk", "option": {"text": GREETING, "language": "en-US"}}],
    "max_concurrent_calls": 100,
    "calls_per_second": 25,
}


@dataclass(frozen=True)
class Made:
    """What the tutorial makes before it starts the campaign."""

    outdial_id: str
    campaign_id: str


def make(client: Client, planned: Sequence[Planned]) -> Made:
    """Make outdial, targets, outplan and campaign.

    Raises:
        CannotGoOn: The API is away or refuses something.
    """
    outdial_id = client.create("/outdials", {"name": "demo", "detail": "", "data": ""})["id"]
    added = list(client.add_targets(outdial_id, [target.body() for target in planned]))
    if len(added) != len(planned):
        raise CannotGoOn(f"of {len(planned)} targets, the API stored {len(added)}")
    outplan_id = client.create("/outplans", OUTPLAN)["id"]
    whom_and_how = {"outdial_id": outdial_id, "outplan_id": outplan_id}
    return Made(outdial_id, client.create("/campaigns", {**CAMPAIGN, **whom_and_how})["id"])


def run(
    client: Client,
    made: Made,
    *,
    within_s: float,
    show: Callable[[Standing], None],
    check: Callable[[], None],
) -> tuple[datetime, datetime]:
    """Start the campaign and wait until it has stopped by itself.

    Args:
        client: The API, logged in.
        made: What is to be run.
        within_s: How long it may take, in seconds.
        show: Told how it stands.
        check: Called at every look; raises when something went wrong elsewhere.

    Returns:
        Just before the start, and when it was first seen to have stopped.

    Raises:
        CannotGoOn: It has not stopped in time, or the API went away.
    """
    started_at = datetime.now(UTC)
    client.update(f"/campaigns/{made.campaign_id}", {"status": "run"})
    census, deadline = Census(client, made.campaign_id), time.monotonic() + within_s
    while True:
        check()
        standing = census.take()
        show(standing)
        if standing.status == "stop":
            return started_at, datetime.now(UTC)
        if time.monotonic() > deadline:
            raise CannotGoOn(
                f"The campaign has not stopped within {within_s:g} s. It stands so:\n"
                f"{as_line(standing)}"
            )
        time.sleep(LOOK_EVERY_S)


def outcome(client: Client, made: Made) -> tuple[list[Resource], list[Resource]]:
    """Return targets and attempts once the list of attempts has caught up with the targets.

    What has not caught up after some seconds is returned as it is, to be told as a difference.
    """
    deadline = time.monotonic() + SETTLED_WITHIN_S
    while True:
        targets = client.every(f"/outdials/{made.outdial_id}/targets")
        attempts = client.every(f"/campaigns/{made.campaign_id}/campaigncalls")
        counted = sum(int(target[f"try_count_{slot}"]) for target in targets for slot in range(5))
        is_settled = len(attempts) >= counted and all(row["status"] == "done" for row in attempts)
        if is_settled or time.monotonic() > deadline:
            return targets, attempts
        time.sleep(0.1)
