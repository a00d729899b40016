"""`campaignctl rebuild --watch` outlasts what it watches."""

from typing import Any

import pytest
from campaignctl import rebuild as command
from campaignctl.errors import CannotGoOn


class Ended(Exception):
    """The test has seen enough."""


def looks(monkeypatch: pytest.MonkeyPatch, *outcomes: Exception | None) -> list[dict[str, Any]]:
    """Let each look come to one of these, and return how they were made."""
    made: list[dict[str, Any]] = []

    async def look(bootstrap: str, redis_url: str, **how: Any) -> None:
        made.append(how)
        if outcome := outcomes[len(made) - 1]:
            raise outcome

    monkeypatch.setattr(command, "_rebuild", look)
    monkeypatch.setattr(command, "LOOKED_EVERY_S", 0)
    return made


def run(**how: bool) -> None:
    command.rebuild(kafka_bootstrap="k:1", redis_url="redis://r", **how)


def test_it_waits_for_a_redis_that_is_away_when_it_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    away = CannotGoOn("Redis is away")
    made = looks(monkeypatch, away, away, None, Ended())
    with pytest.raises(Ended):
        run(watch=True, force=True)
    assert [one["is_forced"] for one in made] == [True, True, True, False]
    assert [one["is_quiet"] for one in made] == [False, False, False, True]


def test_without_watching_it_says_that_redis_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    looks(monkeypatch, CannotGoOn("Redis is away"))
    with pytest.raises(CannotGoOn):
        run()
