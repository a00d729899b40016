"""Recorded campaigns through today's code: the same decisions, and one that differs is found."""

import random
import socket
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import pytest
from campaignctl.history import Range, in_order, read
from campaignctl.log import LogRecord
from campaignctl.replaying import Asked, Gap, Replay
from contracts.actions import Branch
from contracts.call import CallSettled, Outcome
from contracts.flow import ActionFinished
from contracts.topics import CATALOGUE, Cleanup
from dialer.domain import causes, retries
from flow_runner.domain import executors
from flow_runner.domain.runs import Run

from tests.replaying import assert_same, replayed

RECORDED = sorted((Path(__file__).parents[2] / "replays").glob("*.log.gz"))
COMPACTED = {topic.name for topic in CATALOGUE if topic.cleanup is Cleanup.COMPACT}
each_recorded = pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.name.split(".")[0])


def the(name: str) -> list[LogRecord]:
    """The records of one of them."""
    (path,) = (path for path in RECORDED if path.name == f"{name}.log.gz")
    return list(read(Range(file=path)))


def replay_of(records: Sequence[LogRecord], *, is_cut: bool = False) -> Replay:
    replaying = Replay()
    for record in records:
        replaying.take(record)
    replaying.finish(is_cut=is_cut)
    return replaying


@each_recorded
def test_every_recorded_decision_is_taken_again(path: Path) -> None:
    replaying = replayed(Range(file=path))
    assert_same(replaying)
    assert not replaying.gaps
    assert replaying.decisions[Asked.SETTLEMENT]


def test_the_recorded_campaigns_ask_for_every_kind_of_decision() -> None:
    asked = {one for path in RECORDED for one in replayed(Range(file=path)).decisions}
    assert asked >= set(Asked) - {Asked.HOURS}


# ---- a change of the code


def test_a_changed_cause_table_is_caught_at_the_first_call_that_it_concerns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    records = the("busy-until-exhausted")
    told = [decision for decision in decisions(records) if decision[1] is Outcome.BUSY]
    monkeypatch.setitem(causes.BY_HANGUP_CAUSE, 17, Outcome.FAILED)
    monkeypatch.delitem(causes.BY_SIP_STATUS, 486)
    monkeypatch.setitem(causes.BY_SIP_STATUS, 486, Outcome.FAILED)
    first = replay_of(records).first
    assert first is not None
    assert first.asked is Asked.SETTLEMENT
    assert first.message.id == told[0][0]
    assert (first.logged.outcome, first.decided.outcome) == (Outcome.BUSY, Outcome.FAILED)


def decisions(records: Sequence[LogRecord]) -> list[tuple[str, Outcome]]:
    """The settlements of a log in the order in which they were decided."""
    found = []
    replaying = Replay(
        on_decision=lambda one: found.append(one) if one.asked is Asked.SETTLEMENT else None
    )
    for record in records:
        replaying.take(record)
    replaying.finish()
    bodies = [(one.at, one.message.id, one.message.body) for one in found]
    return [
        (id_, body.outcome)
        for _, id_, body in sorted(bodies, key=lambda row: row[0])
        if isinstance(body, CallSettled)
    ]


def test_another_meaning_of_success_is_caught_in_what_becomes_of_the_target(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retries, "SUCCESS", frozenset({Outcome.ANSWERED, Outcome.BUSY}))
    asked = {one.asked for one in replay_of(the("busy-until-exhausted")).differing}
    assert asked == {Asked.SETTLEMENT, Asked.TARGET_SETTLED}


def test_a_flow_that_goes_another_way_is_caught_where_it_turns(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def astray(_run: Run, onward: Run, _option: Branch) -> tuple[Run, tuple[()], str]:
        return onward, (), "failed"

    monkeypatch.setitem(executors.EXECUTORS, Branch, astray)
    first = replay_of(the("digits")).first
    assert first is not None
    assert first.asked is Asked.STEP
    assert isinstance(first.logged, ActionFinished) or first.logged.type == "flow.variables_set"


# ---- what the log lacks, repeats or has in another order


@pytest.mark.parametrize("seed", range(10))
def test_messages_that_come_again_change_nothing(seed: int) -> None:
    records, chance = the("gateway-asks-for-a-pause"), random.Random(seed)
    repeated = [one for one in records for _ in range(chance.choice((1, 1, 1, 2)))]
    assert_equal(replay_of(repeated), replay_of(records))


@pytest.mark.parametrize("seed", range(10))
def test_topics_that_are_read_one_after_the_other_change_nothing(seed: int) -> None:
    records = the("gateway-asks-for-a-pause")
    of_key: defaultdict[tuple[str, str | None], list[LogRecord]] = defaultdict(list)
    for record in records:
        of_key[record.topic, record.key].append(record)
    lanes = list(of_key.values())
    random.Random(seed).shuffle(lanes)
    campaigns_first = sorted(lanes, key=lambda lane: lane[0].topic != "campaign.events")
    shuffled = [record._replace(timestamp_ms=0) for lane in campaigns_first for record in lane]
    replaying = replay_of(shuffled)
    assert_same(replaying)
    assert replaying.decisions == replay_of(records).decisions


def assert_equal(one: Replay, other: Replay) -> None:
    assert_same(one)
    assert one.decisions == other.decisions


@each_recorded
def test_a_log_that_ends_anywhere_has_no_wrong_answer(path: Path) -> None:
    records = list(read(Range(file=path)))
    for end in range(0, len(records), max(1, len(records) // 60)):
        assert replay_of(records[:end], is_cut=True).first is None, end


@each_recorded
def test_a_log_that_begins_anywhere_has_no_wrong_answer(path: Path) -> None:
    """Retention takes what is oldest; what is compacted keeps the last message of each key."""
    records = list(read(Range(file=path)))
    for begin in range(0, len(records), max(1, len(records) // 60)):
        lost = records[:begin]
        compacted = [one for one in lost if one.topic in COMPACTED]
        last = {(one.topic, one.key): one for one in compacted}.values()
        assert replay_of([*last, *records[begin:]]).first is None, begin


def test_an_unknown_type_and_rubbish_are_named_and_their_neighbours_replayed() -> None:
    records = the("digits")
    stranger = records[-1]._replace(
        topic="call.events",
        value=(records[-1].value or b"").replace(b'"dialing.exhausted"', b'"call.newer"'),
    )
    rubbish = records[-1]._replace(topic="call.events", value=b"{")
    replaying = replay_of([*records, stranger, rubbish])
    assert_same(replaying)
    assert replaying.gaps[Gap.UNREADABLE][0] == 1
    assert replaying.decisions == replay_of(records).decisions


def test_a_log_of_another_order_comes_into_its_own() -> None:
    records = the("digits")
    by_topic = sorted(records, key=lambda one: (one.topic, one.partition, one.offset))
    assert replay_of(in_order(by_topic)).decisions == replay_of(records).decisions


def test_a_replay_reaches_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """No telephony, no network, no state: not even a socket is made."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a replay wanted to reach somebody")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)
    for path in RECORDED:
        assert_same(replayed(Range(file=path)))
