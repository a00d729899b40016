"""The demo's summary: right figures, and no difference between the witnesses stays unseen."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from campaignctl.mix import Planned, planned_targets
from campaignctl.summary import (
    Evidence,
    by_kind,
    differences,
    figures,
    without_withdrawn,
)

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def a_target(planned: Planned, tries: tuple[int, ...]) -> dict[str, Any]:
    target: dict[str, Any] = {"id": f"id of {planned.name}", "status": "done"}
    for slot in range(5):
        is_there = slot < len(planned.numbers)
        target[f"destination_{slot}"] = (
            {"type": "tel", "target": planned.numbers[slot]} if is_there else None
        )
        target[f"try_count_{slot}"] = tries[slot] if is_there else 0
    return target


def tries_of(planned: Planned) -> tuple[int, ...]:
    if len(planned.numbers) == 1:
        return (planned.kind.attempts,)
    return (2, planned.kind.attempts - 2)


def evidence_of(count: int) -> Evidence:
    """A run that went as foretold: ten calls in a second, the first 100 ms after the start."""
    planned = planned_targets(count, seed=1)
    targets: list[dict[str, Any]] = []
    attempts: list[dict[str, Any]] = []
    for target in planned:
        targets.append(a_target(target, tries_of(target)))
        for number, tries in zip(target.numbers, tries_of(target), strict=True):
            attempts += [
                {
                    "id": f"{number} try {tried}",
                    "outdial_target_id": f"id of {target.name}",
                    "destination": {"type": "tel", "target": number},
                    "status": "done",
                    "result": "fail",
                    "tm_create": "2026-03-02 12:00:00.050000",
                }
                for tried in range(tries)
            ]
        if target.kind.is_answered:
            attempts[-1]["result"] = "success"
    originations = [
        {
            "at": (NOON + timedelta(milliseconds=100 + 100 * order)).isoformat(),
            "channel_id": attempt["id"],
            "number": attempt["destination"]["target"],
        }
        for order, attempt in enumerate(attempts)
    ]
    return Evidence(
        campaign_id="c",
        planned=planned,
        targets=targets,
        attempts=attempts,
        originations=originations,
        answered_calls=frozenset(row["id"] for row in attempts if row["result"] == "success"),
        started_at=NOON,
        ended_at=NOON + timedelta(seconds=30),
    )


def test_a_run_as_foretold_shows_no_difference() -> None:
    assert differences(evidence_of(200)) == []


def test_what_was_withdrawn_before_it_rang_is_no_difference() -> None:
    told = evidence_of(20)
    withdrawn = [{**row, "id": f"{row['id']}, withdrawn"} for row in told.attempts[:3]]
    for row in withdrawn:
        row["result"] = "fail"
    listed = [*withdrawn, *told.attempts]
    assert differences(replace(told, attempts=listed))
    left = without_withdrawn(listed, told.targets, told.originations)
    assert differences(replace(told, attempts=left)) == []


def test_what_counts_and_never_rang_is_one() -> None:
    told = evidence_of(20)
    assert told.originations is not None
    rung = told.originations[1:]
    left = without_withdrawn(told.attempts, told.targets, rung)
    assert left == list(told.attempts)
    assert differences(replace(told, attempts=left, originations=rung))


def test_the_figures_add_up() -> None:
    told = figures(evidence_of(200))
    assert (told.targets, told.done) == (200, 200)
    assert (told.answered, told.exhausted) == (140, 60)
    assert told.answered_calls == told.answered
    assert told.attempts == told.originations == 200 + told.retries
    assert told.retries == told.repeated_originations
    assert told.retries == 16 + 20 + 16 + 12 + 8 + 8 + 6 + 4 + 12
    assert told.calls_per_second == 10.0
    assert told.first_origination_ms == 100
    assert told.duration_s == 30.0


def test_the_kinds_add_up_to_the_figures() -> None:
    evidence = evidence_of(200)
    told, kinds = figures(evidence), by_kind(evidence)
    assert sum(row.targets for row in kinds) == told.targets
    assert sum(row.answered for row in kinds) == told.answered
    assert sum(row.attempts for row in kinds) == told.attempts


def test_without_a_journal_the_api_times_the_first_attempt() -> None:
    evidence = replace(evidence_of(20), originations=None, answered_calls=None)
    told = figures(evidence)
    assert (told.originations, told.first_origination_ms) == (None, 50)
    assert differences(evidence) == []


def test_a_campaign_that_dialed_nobody_has_figures_too() -> None:
    told = figures(replace(evidence_of(20), attempts=[], originations=[]))
    assert (told.attempts, told.calls_per_second, told.first_origination_ms) == (0, 0.0, None)


def duplicated(evidence: Evidence) -> Evidence:
    lines = list(evidence.originations or ())
    return replace(evidence, originations=[*lines, lines[3]])


def shortened(evidence: Evidence) -> Evidence:
    return replace(evidence, originations=list(evidence.originations or ())[:-1])


def silent(evidence: Evidence) -> Evidence:
    return replace(evidence, originations=[])


def with_a_stranger(evidence: Evidence) -> Evidence:
    stranger = {"at": NOON.isoformat(), "channel_id": "stranger", "number": "+15550009999"}
    return replace(evidence, originations=[*(evidence.originations or ()), stranger])


def misdialed(evidence: Evidence) -> Evidence:
    first, *others = evidence.originations or ()
    return replace(evidence, originations=[{**first, "number": "+15550009999"}, *others])


def undone(evidence: Evidence) -> Evidence:
    first, *others = evidence.targets
    return replace(evidence, targets=[{**first, "status": "progressing"}, *others])


def lost(evidence: Evidence) -> Evidence:
    return replace(evidence, targets=evidence.targets[1:])


def miscounted(evidence: Evidence) -> Evidence:
    first, *others = evidence.targets
    return replace(evidence, targets=[{**first, "try_count_0": 9}, *others])


def listed_twice(evidence: Evidence) -> Evidence:
    return replace(evidence, attempts=[*evidence.attempts, evidence.attempts[0]])


def never_answered(evidence: Evidence) -> Evidence:
    return replace(evidence, attempts=[{**row, "result": "fail"} for row in evidence.attempts])


def unbilled(evidence: Evidence) -> Evidence:
    return replace(evidence, answered_calls=frozenset(list(evidence.answered_calls or ())[1:]))


def billed_in_vain(evidence: Evidence) -> Evidence:
    return replace(evidence, answered_calls=frozenset(row["id"] for row in evidence.attempts))


@pytest.mark.parametrize(
    ("tamper", "told"),
    [
        (duplicated, "was originated 2 times"),
        (shortened, "the journal lacks 1 attempts"),
        (silent, "the journal lacks"),
        (with_a_stranger, "the journal has 1 attempts that the API lacks: stranger"),
        (misdialed, "the network was asked for +15550009999"),
        (undone, "1 targets are progressing"),
        (lost, "40 targets were added, the API has 39"),
        (miscounted, "its target counts 9 tries"),
        (listed_twice, "the API lists attempt"),
        (unbilled, "the network says these were not answered"),
        (billed_in_vain, "the network says these were answered"),
        (never_answered, "0 answered"),
    ],
)
def test_a_contradiction_is_told(tamper: Callable[[Evidence], Evidence], told: str) -> None:
    found = differences(tamper(evidence_of(40)))
    assert any(told in difference for difference in found), found
