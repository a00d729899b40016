"""One campaign through the API of a running engine, and the ledgers that must agree at its end."""

import json
import time
import uuid
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
from campaignctl.client import Client
from campaignctl.stack import Stack
from campaignctl.verification import Ledgers, verify
from campaignctl.verification.ledgers import Shown
from campaignctl.verification.reading import (
    ask_api,
    log_ends,
    read_call_records,
    read_journal,
    read_log,
)
from contracts.call import Outcome

ADDED_AT_ONCE = 5_000
ENDINGS = ("70101", "70000", "486", "70002")
"""Half of the numbers answer and stay a moment, the others end at once."""


class Campaign:
    """A campaign of its own targets; every number is called until it has answered.

    Args:
        stack: The engine.
        targets: How many.
        endings: Of their numbers, in turn: they choose what the simulated network does.
        per_second: Calls that may begin in a second.
        concurrent: Calls that may be open at a time.
        dial_timeout_ms: How long each may ring.
        attempts: How often a number is called at most.
        fields: Of the campaign, over what it would have.
    """

    def __init__(
        self,
        stack: Stack,
        targets: int = 120,
        *,
        endings: tuple[str, ...] = ENDINGS,
        per_second: int = 20,
        concurrent: int = 40,
        dial_timeout_ms: int = 10_000,
        attempts: int = 2,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        self.stack, self.targets = stack, targets
        self._since = log_ends(stack.kafka_bootstrap)
        self._first, self._first_record = size_of(stack.journal), size_of(stack.call_records)
        self._rings, self._read_to = list[dict[str, Any]](), self._first
        self._client = httpx.Client(base_url=stack.api_url, timeout=60, trust_env=False)
        login = {"username": stack.username, "password": stack.password}
        token = self._client.post("/auth/login", json=login).json()["token"]
        self._client.headers["Authorization"] = f"Bearer {token}"
        name = f"faults {uuid.uuid4()}"
        self.outdial = self.made("/outdials", {"name": name})
        self._prefix = f"+1{str(uuid.uuid4().int)[:4]}"
        numbers = [
            f"{self._prefix}{number:05d}{endings[number % len(endings)]}"
            for number in range(targets)
        ]
        rows = [
            {"name": f"t{place}", "destination_0": {"type": "tel", "target": number}}
            for place, number in enumerate(numbers)
        ]
        for first in range(0, targets, ADDED_AT_ONCE):
            part = rows[first : first + ADDED_AT_ONCE]
            self.made(f"/outdials/{self.outdial}/targets", part)
        timing = {
            "dial_timeout": dial_timeout_ms,
            "try_interval": 1000,
            "max_try_count_0": attempts,
        }
        outplan = self.made("/outplans", {"name": name, **timing})
        self.id = self.made(
            "/campaigns",
            {
                "name": name,
                "type": "call",
                "end_handle": "stop",
                "actions": [{"type": "talk", "option": {"text": "Hello.", "language": "en-US"}}],
                "outplan_id": outplan,
                "outdial_id": self.outdial,
                "max_concurrent_calls": concurrent,
                "calls_per_second": per_second,
                **(fields or {}),
            },
        )

    def start(self) -> None:
        self.change(f"/campaigns/{self.id}/status", {"status": "run"})

    def stop(self) -> datetime:
        """Ask for the stop, and return when it was acknowledged."""
        self.change(f"/campaigns/{self.id}/status", {"status": "stop"})
        return datetime.now(UTC)

    def rings(self) -> list[dict[str, Any]]:
        """The originations that the network has seen of this campaign."""
        with self.stack.journal.open("rb") as journal:
            journal.seek(self._read_to)  # to read it all each time would load the machine
            for line in journal:
                if not line.endswith(b"\n"):
                    break
                self._read_to += len(line)
                row = json.loads(line)
                if row["number"].startswith(self._prefix):
                    self._rings.append(row)
        return list(self._rings)

    def await_rings(self, count: int, within_s: float = 60.0) -> None:
        until(lambda: len(self.rings()) >= count, within_s, f"{count} rings")

    def assert_silent(self, watched_s: float) -> None:
        """Watch for long enough that a dialer who does not care would go on dialing."""
        rung, deadline = len(self.rings()), time.monotonic() + watched_s
        while time.monotonic() < deadline:
            assert len(self.rings()) == rung, "nothing rings"
            time.sleep(0.1)

    def pauses_s(self) -> list[float]:
        """The seconds from each ring of a number to the next of it."""
        at: dict[str, list[datetime]] = {}
        for line in self.rings():
            at.setdefault(line["number"], []).append(datetime.fromisoformat(line["at"]))
        return [
            (after - before).total_seconds()
            for rung in at.values()
            for before, after in pairwise(sorted(rung))
        ]

    def await_end(self, within_s: float = 60.0) -> None:
        """Return when the campaign has stopped by itself: every target is done."""
        until(self.is_over, within_s, "the campaign's end", every_s=0.25)

    def is_over(self) -> bool:
        """Whether the campaign has stopped."""
        return self._status() == "stop"

    def verify(self, *, is_done: bool = True) -> Ledgers:
        """Hold every promise against the network's journal, the log on Kafka, and the API.

        Args:
            is_done: Whether every target must be done by now.
        """
        answers: dict[str, Shown] = {}
        with Client(self.stack.api_url) as client:
            client.identify(self.stack.username, self.stack.password)

            def are_over() -> bool:
                answers.update(ask_api(client, [self.id]))
                return set(answers[self.id].calls.values()) == {"done"}

            until(are_over, 30, "the end of all calls")
        _, ended = read_call_records(self.stack.call_records, self._first_record)
        ledgers = Ledgers(
            log=read_log(self.stack.kafka_bootstrap, since=self._since),
            originations=read_journal(self.stack.journal, self._first),
            ended_at=ended,
            answers=answers,
            campaign_ids=(self.id,),
        )
        verdicts = verify(ledgers)
        assert not verdicts.violations, str(verdicts)
        if not is_done:
            return ledgers
        tried = {
            story.target_id
            for story in ledgers.log.stories.values()
            if story.campaign_id == self.id
            and (story.attempt_id in ledgers.rung_at or story.outcome is Outcome.AMBIGUOUS)
        }
        assert len(tried) == self.targets, "each was called, or nobody can know"
        done = {status for status, _ in answers[self.id].targets.values()}
        assert (len(answers[self.id].targets), done) == (self.targets, {"done"})
        return ledgers

    @property
    def headers(self) -> httpx.Headers:
        """Those of a client who is logged in."""
        return self._client.headers

    def close(self) -> None:
        self._client.close()

    def made(self, path: str, body: Any) -> str:
        """Have the API make something, and return its id."""
        answer = self._client.post(f"/v1.0{path}", json=body)
        assert answer.status_code == 200, answer.text[:500]
        made = answer.json()
        return str(made.get("id", ""))

    def _status(self) -> str:
        try:
            return str(self._client.get(f"/v1.0/campaigns/{self.id}").json().get("status", "away"))
        except httpx.TransportError:
            return "away"

    def change(self, path: str, body: Any) -> None:
        """Have the API change something."""
        answer = self._client.put(f"/v1.0{path}", json=body)
        assert answer.status_code == 200, answer.text[:500]

    def delete(self, path: str) -> None:
        """Have the API delete something."""
        answer = self._client.delete(f"/v1.0{path}")
        assert answer.status_code == 200, answer.text[:500]

    def every(self, path: str) -> list[Any]:
        """Return all rows of a list, page by page."""
        rows: list[Any] = []
        token = ""
        while True:
            asked = {"page_token": token} if token else {}
            page = self._client.get(f"/v1.0{path}", params=asked).json()
            if not page["result"]:
                return rows
            rows += page["result"]
            token = page["next_page_token"]


def size_of(file: Path) -> int:
    """Return how many bytes a file has, none if there is none."""
    return file.stat().st_size if file.exists() else 0


def until(
    condition: Callable[[], bool], within_s: float, what: str, *, every_s: float = 0.05
) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(every_s)
