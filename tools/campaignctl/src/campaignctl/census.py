"""How a campaign stands, asked of the API as sparingly as may be.

Attempts come newest first and change only while they are open, so a refresh reads no further back
than the oldest open one. Targets must all be counted: that is done as often as five percent of the
time allow, whatever their number.
"""

import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass

from campaignctl.client import Client, Resource

PAUSES_PER_COUNT = 20
RATE_OVER_S = 5.0
DONE = "done"


@dataclass(frozen=True)
class Standing:
    """How a campaign stands at a moment.

    Attributes:
        targets: Targets by status.
        attempts: Attempts by status.
        results: Ended attempts by the API's word for what came of them.
        rate: Attempts begun per second, over the last seconds.
        elapsed_s: Since the first look.
        eta_s: Seconds until all targets are done if it goes on as so far; None: not known.
    """

    campaign_id: str
    name: str
    status: str
    targets: Counter[str]
    attempts: Counter[str]
    results: Counter[str]
    rate: float
    elapsed_s: float
    eta_s: float | None


class Census:
    """Counts one campaign again and again."""

    def __init__(
        self, client: Client, campaign_id: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._client = client
        self._id = campaign_id
        self._clock = clock
        self._began_at = clock()
        self._attempts: dict[str, tuple[str, str]] = {}
        self._targets: Counter[str] = Counter()
        self._first_done = -1
        self._count_targets_at = 0.0
        self._begun: deque[tuple[float, int]] = deque()

    def take(self) -> Standing:
        """Return how the campaign stands now; one that has stopped is counted to the last row.

        Raises:
            ApiAway: Nothing answers.
            ApiRefused: There is no such campaign.
        """
        campaign = self._client.get(f"/campaigns/{self._id}")
        has_stopped = campaign["status"] == "stop"
        self._read_attempts(to_the_end=has_stopped)
        if has_stopped or self._clock() >= self._count_targets_at:
            self._count_targets(campaign["outdial_id"])
        elapsed_s = self._clock() - self._began_at
        return Standing(
            campaign_id=self._id,
            name=campaign["name"],
            status=campaign["status"],
            targets=Counter(self._targets),
            attempts=Counter(status for status, _ in self._attempts.values()),
            results=Counter(result for _, result in self._attempts.values() if result),
            rate=self._rate(),
            elapsed_s=elapsed_s,
            eta_s=self._eta_s(elapsed_s),
        )

    def _read_attempts(self, *, to_the_end: bool) -> None:
        open_ids = {id_ for id_, (status, _) in self._attempts.items() if status != DONE}
        for page in self._client.pages(f"/campaigns/{self._id}/campaigncalls"):
            is_news = any(row["id"] not in self._attempts for row in page)
            self._attempts.update((row["id"], (row["status"], row["result"])) for row in page)
            open_ids.difference_update(row["id"] for row in page)
            if not (is_news or open_ids or to_the_end):
                return

    def _count_targets(self, outdial_id: str) -> None:
        began = self._clock()
        targets = self._client.pages(f"/outdials/{outdial_id}/targets")
        self._targets = Counter(row["status"] for page in targets for row in page)
        ended = self._clock()
        self._count_targets_at = ended + (ended - began) * PAUSES_PER_COUNT
        if self._first_done < 0:
            self._first_done = self._targets[DONE]

    def _rate(self) -> float:
        now = self._clock()
        self._begun.append((now, len(self._attempts)))
        while len(self._begun) > 2 and now - self._begun[0][0] > RATE_OVER_S:
            self._begun.popleft()
        (then, before), (_, after) = self._begun[0], self._begun[-1]
        return (after - before) / (now - then) if now > then else 0.0

    def _eta_s(self, elapsed_s: float) -> float | None:
        done_since = self._targets[DONE] - self._first_done
        if done_since <= 0:
            return None
        return elapsed_s * (self._targets.total() - self._targets[DONE]) / done_since


def as_json(standing: Standing) -> Resource:
    """Return the standing for programs."""
    return {
        "campaign_id": standing.campaign_id,
        "status": standing.status,
        "targets": dict(standing.targets),
        "attempts": dict(standing.attempts),
        "results": dict(standing.results),
        "rate": round(standing.rate, 1),
        "elapsed_s": round(standing.elapsed_s, 1),
        "eta_s": None if standing.eta_s is None else round(standing.eta_s, 1),
    }
