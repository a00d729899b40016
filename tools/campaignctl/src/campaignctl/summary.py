"""What came of the demo: figures, and whether three witnesses tell the same story.

The API tells of targets and attempts, the network's journal of originations, and the mix of numbers
foretells both. Nothing here does I/O. A difference between two of them is a sentence.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from campaignctl.mix import KINDS, Kind, Planned

Row = Mapping[str, Any]
SLOTS = range(5)
NAMED_AT_MOST = 5


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What was read when the campaign had stopped.

    Attributes:
        targets: All targets of the outdial, as the API tells.
        attempts: All campaigncalls of the campaign, as the API tells, that were not withdrawn.
        originations: Lines of the journal since before the start; None: there is no journal.
        answered_calls: Attempts that the network's call records tell as answered; None: there are
            no call records.
        started_at: Just before the request that started the campaign, aware.
        ended_at: When the campaign was first seen to have stopped, aware.
    """

    campaign_id: str
    planned: Sequence[Planned]
    targets: Sequence[Row]
    attempts: Sequence[Row]
    originations: Sequence[Row] | None
    answered_calls: frozenset[str] | None
    started_at: datetime
    ended_at: datetime


@dataclass(frozen=True, kw_only=True)
class Figures:
    """The summary of the demo.

    Attributes:
        retries: Attempts beyond the first of each target.
        originations: Calls that the network's journal has; None: there is no journal.
        repeated_originations: Those beyond the first for each target, by the journal.
        answered_calls: By the network's call records; None: there are none.
        calls_per_second: Between the first and the last of them, or of the attempts without it.
        first_origination_ms: From the start request to the first of them.
    """

    targets: int
    done: int
    answered: int
    exhausted: int
    attempts: int
    retries: int
    originations: int | None
    repeated_originations: int | None
    answered_calls: int | None
    calls_per_second: float
    first_origination_ms: int | None
    duration_s: float

    def as_json(self) -> dict[str, Any]:
        """Return the figures for programs."""
        return asdict(self)


@dataclass(frozen=True)
class KindRow:
    """What came of the targets of one kind."""

    kind: Kind
    targets: int
    answered: int
    attempts: int


def without_withdrawn(
    attempts: Sequence[Row], targets: Sequence[Row], originations: Sequence[Row] | None
) -> list[Row]:
    """Leave out what was withdrawn before it rang, as an attempt is whose permit has run out.

    The network was not asked for it, and its target does not count it. Without a journal nobody can
    tell: then all are kept.
    """
    if originations is None:
        return list(attempts)
    rung = {line["channel_id"] for line in originations}
    silent = [attempt for attempt in attempts if attempt["id"] not in rung]
    counted = Counter(
        {
            (target["id"], destination["target"]): _tries(target, slot)
            for target in targets
            for slot in SLOTS
            if (destination := target[f"destination_{slot}"])
        }
    )
    counted.subtract(_tried_at(attempt) for attempt in attempts)
    withdrawn = set()
    for attempt in silent:
        if counted[_tried_at(attempt)] < 0:
            counted[_tried_at(attempt)] += 1
            withdrawn.add(attempt["id"])
    return [attempt for attempt in attempts if attempt["id"] not in withdrawn]


def figures(evidence: Evidence) -> Figures:
    """Return the figures of the summary."""
    answered, tried = _answered(evidence), _tried(evidence)
    done = [target for target in evidence.targets if target["status"] == "done"]
    moments = sorted(_moments(evidence))
    first = moments[0] - evidence.started_at if moments else None
    return Figures(
        targets=len(evidence.targets),
        done=len(done),
        answered=sum(target["id"] in answered for target in done),
        exhausted=sum(target["id"] not in answered for target in done),
        attempts=len(evidence.attempts),
        retries=len(evidence.attempts) - len(tried),
        originations=None if evidence.originations is None else len(evidence.originations),
        repeated_originations=_repeated_originations(evidence),
        answered_calls=None if evidence.answered_calls is None else len(evidence.answered_calls),
        calls_per_second=_rate(moments),
        first_origination_ms=None if first is None else round(first.total_seconds() * 1000),
        duration_s=round((evidence.ended_at - evidence.started_at).total_seconds(), 1),
    )


def by_kind(evidence: Evidence) -> list[KindRow]:
    """Return what came of each kind of target, in the order of the mix."""
    answered, tried = _answered(evidence), _tried(evidence)
    found = {target["destination_0"]["target"]: target["id"] for target in evidence.targets}
    rows = []
    for kind in KINDS:
        ids = [
            found.get(planned.numbers[0], "")
            for planned in evidence.planned
            if planned.kind is kind
        ]
        if ids:
            attempts = sum(tried[id_] for id_ in ids)
            rows.append(KindRow(kind, len(ids), sum(id_ in answered for id_ in ids), attempts))
    return rows


def differences(evidence: Evidence) -> list[str]:
    """Return every way in which the witnesses contradict one another; none is how it should be."""
    found = [*_within_the_api(evidence), *_with_the_plan(evidence)]
    if evidence.originations is not None:
        found += _with_the_journal(evidence, evidence.originations)
        found += _number_by_number(evidence, evidence.originations)
    if evidence.answered_calls is not None:
        found += _with_the_call_records(evidence, evidence.answered_calls)
    return found


def _within_the_api(evidence: Evidence) -> Iterator[str]:
    if len(evidence.targets) != len(evidence.planned):
        yield f"{len(evidence.planned)} targets were added, the API has {len(evidence.targets)}"
    open_ = Counter(target["status"] for target in evidence.targets if target["status"] != "done")
    for status, many in open_.items():
        yield f"{many} targets are {status}, though the campaign has stopped"
    counted = sum(_tries(target, slot) for target in evidence.targets for slot in SLOTS)
    if counted != len(evidence.attempts):
        yield f"the targets count {counted} tries, the API has {len(evidence.attempts)} attempts"
    for id_, many in _repeated(attempt["id"] for attempt in evidence.attempts):
        yield f"the API lists attempt {id_} {many} times"


def _with_the_journal(evidence: Evidence, originations: Sequence[Row]) -> Iterator[str]:
    for id_, many in _repeated(line["channel_id"] for line in originations):
        yield f"attempt {id_} was originated {many} times"
    told = {attempt["id"]: attempt["destination"]["target"] for attempt in evidence.attempts}
    rung = {line["channel_id"]: line["number"] for line in originations}
    if missing := told.keys() - rung.keys():
        yield f"the journal lacks {len(missing)} attempts of the API: {_named(missing)}"
    if unknown := rung.keys() - told.keys():
        yield f"the journal has {len(unknown)} attempts that the API lacks: {_named(unknown)}"
    for id_ in told.keys() & rung.keys():
        if told[id_] != rung[id_]:
            yield f"attempt {id_} is of {told[id_]}, the network was asked for {rung[id_]}"


def _number_by_number(evidence: Evidence, originations: Sequence[Row]) -> Iterator[str]:
    rings = Counter(line["number"] for line in originations)
    tries = {
        destination["target"]: _tries(target, slot)
        for target in evidence.targets
        for slot in SLOTS
        if (destination := target[f"destination_{slot}"])
    }
    for number in sorted(rings.keys() | tries.keys()):
        if rings[number] != tries.get(number, 0):
            yield (
                f"{number} was called {rings[number]} times, "
                f"its target counts {tries.get(number, 0)} tries"
            )


def _with_the_call_records(evidence: Evidence, answered: frozenset[str]) -> Iterator[str]:
    told = {attempt["id"] for attempt in evidence.attempts if attempt["result"] == "success"}
    if only_told := told - answered:
        yield f"the network says these were not answered, the API does: {_named(only_told)}"
    if only_billed := answered - told:
        yield f"the network says these were answered, the API does not: {_named(only_billed)}"


def _with_the_plan(evidence: Evidence) -> Iterator[str]:
    for row in by_kind(evidence):
        expected = row.targets if row.kind.is_answered else 0
        if row.answered != expected:
            yield f"{row.kind.meaning}: {row.answered} answered, {expected} should have"
        if row.attempts != row.targets * row.kind.attempts:
            yield (
                f"{row.kind.meaning}: {row.attempts} attempts, "
                f"{row.targets * row.kind.attempts} should have been made"
            )


def _answered(evidence: Evidence) -> set[str]:
    return {
        attempt["outdial_target_id"]
        for attempt in evidence.attempts
        if attempt["result"] == "success"
    }


def _tried(evidence: Evidence) -> Counter[str]:
    return Counter(attempt["outdial_target_id"] for attempt in evidence.attempts)


def _repeated_originations(evidence: Evidence) -> int | None:
    if evidence.originations is None:
        return None
    owner = {number: target.name for target in evidence.planned for number in target.numbers}
    rung = {owner.get(line["number"], line["number"]) for line in evidence.originations}
    return len(evidence.originations) - len(rung)


def _moments(evidence: Evidence) -> Iterator[datetime]:
    if evidence.originations is None:
        for attempt in evidence.attempts:
            at = datetime.fromisoformat(attempt["tm_create"])
            yield at if at.tzinfo else at.replace(tzinfo=UTC)
    else:
        for line in evidence.originations:
            yield datetime.fromisoformat(line["at"])


def _rate(moments: Sequence[datetime]) -> float:
    span = (moments[-1] - moments[0]).total_seconds() if moments else 0.0
    return round((len(moments) - 1) / span, 1) if span else 0.0


def _tried_at(attempt: Row) -> tuple[str, str]:
    return attempt["outdial_target_id"], attempt["destination"]["target"]


def _tries(target: Row, slot: int) -> int:
    return int(target[f"try_count_{slot}"])


def _repeated(ids: Iterator[str]) -> list[tuple[str, int]]:
    return [(id_, many) for id_, many in Counter(ids).items() if many > 1]


def _named(ids: Set[str]) -> str:
    more = f" and {len(ids) - NAMED_AT_MOST} more" if len(ids) > NAMED_AT_MOST else ""
    return ", ".join(sorted(ids)[:NAMED_AT_MOST]) + more
