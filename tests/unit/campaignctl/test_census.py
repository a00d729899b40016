"""The census: right counts, and no more requests than they need."""

from collections.abc import Iterator
from typing import Any

from campaignctl.census import Census
from campaignctl.client import Client, Resource

PAGE = 10


class FakeApi(Client):
    """A campaign in memory; a request takes 10 ms of a clock that only requests move."""

    def __init__(self) -> None:
        self.status = "run"
        self.targets: list[Resource] = []
        self.attempts: list[Resource] = []
        self.asked: list[str] = []
        self.now = 0.0

    def get(self, path: str) -> Resource:
        return {"name": "test", "status": self.status, "outdial_id": "o"}

    def pages(self, path: str) -> Iterator[list[Resource]]:
        what = path.rsplit("/", 1)[-1]
        rows = self.attempts if what == "campaigncalls" else self.targets
        for at in range(0, len(rows), PAGE):
            self.asked.append(what)
            self.now += 0.01
            yield list(reversed(rows))[at : at + PAGE]

    def clock(self) -> float:
        return self.now

    def begin(self, count: int) -> None:
        self.attempts += [
            {"id": len(self.attempts) + order, "status": "dialing", "result": ""}
            for order in range(count)
        ]

    def end(self, some: slice, result: str = "success") -> None:
        for row in self.attempts[some]:
            row.update(status="done", result=result)

    def requests(self, what: str) -> int:
        asked, self.asked = self.asked.count(what), [one for one in self.asked if one != what]
        return asked


def a_census(api: FakeApi) -> Census:
    return Census(api, "c", clock=api.clock)


def test_targets_and_attempts_are_counted_by_status() -> None:
    api = FakeApi()
    api.targets = [{"status": "done"}] * 3 + [{"status": "idle"}] * 22
    api.begin(30)
    api.end(slice(0, 12))
    api.end(slice(12, 15), "fail")
    standing = a_census(api).take()
    assert standing.targets == {"done": 3, "idle": 22}
    assert standing.attempts == {"done": 15, "dialing": 15}
    assert standing.results == {"success": 12, "fail": 3}


def test_a_refresh_reads_no_further_back_than_the_oldest_open_attempt() -> None:
    api = FakeApi()
    api.begin(100)
    api.end(slice(0, 95))
    census = a_census(api)
    census.take()
    assert api.requests("campaigncalls") == 10
    api.end(slice(95, 100))
    api.begin(4)
    standing = census.take()
    assert standing.attempts == {"done": 100, "dialing": 4}
    assert api.requests("campaigncalls") == 2  # one with news, one that is known


def test_an_attempt_that_stays_open_for_long_is_still_seen_to_end() -> None:
    api = FakeApi()
    api.begin(100)
    api.end(slice(1, 100))
    census = a_census(api)
    assert census.take().attempts == {"done": 99, "dialing": 1}
    api.end(slice(0, 1))
    assert census.take().attempts == {"done": 100}


def test_targets_are_counted_in_a_twentieth_of_the_time() -> None:
    api = FakeApi()
    api.targets = [{"status": "idle"}] * 100
    census = a_census(api)
    census.take()  # ten requests, 0.1 s
    api.now += 1.9
    census.take()
    assert api.requests("targets") == 10
    api.now += 0.2
    census.take()
    assert api.requests("targets") == 10


def test_a_campaign_that_has_stopped_is_counted_to_the_last_row() -> None:
    api = FakeApi()
    api.targets = [{"status": "idle"}] * 5
    api.begin(50)
    api.end(slice(0, 50))
    census = a_census(api)
    census.take()
    api.targets = [{"status": "done"}] * 5
    api.status = "stop"
    assert census.take().targets == {"done": 5}
    assert api.requests("campaigncalls") == 10


def test_the_time_to_go_follows_from_what_was_done_since_the_first_look() -> None:
    api = FakeApi()
    api.targets = [{"status": "done"}] * 10 + [{"status": "idle"}] * 30
    census = a_census(api)
    assert census.take().eta_s is None
    api.targets = [{"status": "done"}] * 20 + [{"status": "idle"}] * 20
    api.now = 10.0
    eta_s: Any = census.take().eta_s
    assert 20.0 <= eta_s <= 20.2
