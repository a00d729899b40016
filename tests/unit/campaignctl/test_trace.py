"""The story of a call: what led to what, what lasted, and what cannot be known."""

import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from campaignctl.cli import app
from campaignctl.history import Range, read
from campaignctl.log import LogRecord
from campaignctl.trace import as_json, in_order_of_cause
from campaignctl.tracing import Story, doubts, gather, parents, phases, silences, words_of
from contracts.topics import every_message
from typer.testing import CliRunner

REPLAYS = Path(__file__).parents[2] / "replays"
EXAMPLES = Path(__file__).parents[3] / "libs" / "contracts" / "examples"


def path_of(name: str) -> Path:
    return REPLAYS / f"{name}.log.gz"


def records_of(name: str) -> list[LogRecord]:
    return list(read(Range(file=path_of(name))))


def attempts_of(name: str) -> list[str]:
    return [str(one.key) for one in records_of(name) if one.type == "call.dialing"]


def story_of(name: str) -> Story:
    return gather(read, Range(file=path_of(name)), attempts_of(name)[0])


def led_to(story: Story) -> set[tuple[str, str]]:
    types = {one.id: one.type for one in story.messages}
    return {
        (types[parent.id], types[id_]) for id_, parent in parents(story.messages).items()
    }  # fmt: skip


def test_a_call_with_an_agent_is_told_from_the_start_of_its_campaign_to_its_settlement() -> None:
    assert led_to(story_of("queue-and-agent")) >= {
        ("campaign.status_changed", "call.dialing"),
        ("call.dialing", "call.answered"),
        ("call.answered", "flow.started"),
        ("call.play", "call.playback_finished"),
        ("call.playback_finished", "flow.action_started"),
        ("call.bridge", "call.bridged"),
        ("call.unbridged", "flow.finished"),
        ("call.hang_up", "call.hung_up"),
        ("call.hung_up", "call.settled"),
        ("call.settled", "target.changed"),
    }


def test_what_lasted_has_a_name() -> None:
    named = [one.name for one in phases(story_of("queue-and-agent").messages)]
    assert named == [
        "dialing", "ringing", "up", "action talk", "action queue_join", "talking to an agent",
        "settling",
    ]  # fmt: skip
    assert all(one.end for one in phases(story_of("queue-and-agent").messages))


@pytest.mark.parametrize("seed", range(20))
def test_the_tree_is_the_same_however_the_topics_were_read(seed: int) -> None:
    records = records_of("stopped-and-started-again")
    attempt = attempts_of("stopped-and-started-again")[0]

    def shuffled(which: Range) -> Iterator[LogRecord]:
        names = {topic.name for topic in which.topics}
        rows = [one for one in records if one.topic in names]
        random.Random(seed).shuffle(rows)
        yield from rows * 2

    story = gather(shuffled, Range(file=Path("x")), attempt)
    in_order = gather(read, Range(file=path_of("stopped-and-started-again")), attempt)
    assert story.messages == in_order.messages
    assert story.repeated == len(story.messages)
    assert parents(story.messages) == parents(in_order.messages)


def test_a_target_is_told_with_all_its_attempts() -> None:
    target = next(str(o.key) for o in records_of("withdrawn") if o.type == "target.added")
    story = gather(read, Range(file=path_of("withdrawn")), target)
    assert sum(one.type == "call.dialing" for one in story.messages) == 2
    assert sum(one.type == "target.changed" for one in story.messages) == 4


def test_every_message_stands_below_the_one_that_led_to_it() -> None:
    for path in REPLAYS.glob("*.log.gz"):
        name = path.name.removesuffix(".log.gz")
        told = as_json(story_of(name))
        depths = {row["id"]: depth for depth, row in in_order_of_cause(told["messages"])}
        assert depths.keys() == {row["id"] for row in told["messages"]}
        for row in told["messages"]:
            assert row["led_by"] is None or depths[row["led_by"]] == depths[row["id"]] - 1


def test_an_adoption_is_told_in_words() -> None:
    says = [row["says"] for row in as_json(story_of("dialer-killed-and-adopted"))["messages"]]
    assert any("its worker had died or left" in one for one in says)


def test_every_type_of_message_has_words_or_needs_none() -> None:
    for topic, message in every_message():
        type_ = message.model_fields["type"].default
        example = json.loads((EXAMPLES / topic.name / f"{type_}.json").read_text("utf-8"))
        assert isinstance(words_of(type_, example["data"]), str)
    assert words_of("call.newer", {"what": 1}) == ""
    assert "what" in words_of("call.settled", {"what": 1})


# ---- what cannot be known


def test_a_beginning_and_an_end_that_are_lost_are_named() -> None:
    story = story_of("digits")
    kept = [one for one in story.messages if one.type not in {"call.dialing", "call.settled"}]
    told = doubts(kept, parents(kept))
    assert any("the beginning" in one for one in told)
    assert any("not settled" in one for one in told)


def test_a_clock_that_runs_backwards_is_named() -> None:
    messages = [
        replace(one, at=one.at - timedelta(seconds=9)) if one.type == "call.hung_up" else one
        for one in story_of("digits").messages
    ]
    told = " ".join(doubts(messages, parents(messages)))
    assert "ran backwards" in told or "their clocks differ" in told


def test_a_silence_that_means_something_is_named() -> None:
    messages = [
        replace(one, at=one.at + timedelta(seconds=60)) if one.source == "flow-runner" else one
        for one in story_of("digits").messages
    ]
    assert any("nobody ran the flow" in one for one in silences(messages))
    assert not silences(story_of("queue-and-agent").messages)


# ---- the command


def test_the_command_prints_a_picture_json_and_a_page(tmp_path: Path) -> None:
    attempt, html = attempts_of("digits")[0], tmp_path / "call.html"
    told = ["trace", attempt, "--log", str(path_of("digits"))]
    picture = CliRunner().invoke(app, told)
    assert picture.exit_code == 0
    assert "call.digit_pressed" in picture.output
    as_told = json.loads(CliRunner().invoke(app, [*told, "--json"]).output)
    assert {row["type"] for row in as_told["messages"]} >= {"call.dialing", "flow.heard"}
    assert CliRunner().invoke(app, [*told, "--html", str(html)]).exit_code == 0
    written = html.read_text("utf-8")
    assert written.count("<li>") == len(as_told["messages"])
    assert not re.search(r"(?:src|href)=|url\(|@import|<script", written), "it is one file"


def test_numbers_are_masked_unless_they_are_asked_for() -> None:
    attempt = attempts_of("digits")[0]
    told = ["trace", attempt, "--log", str(path_of("digits"))]
    masked = CliRunner().invoke(app, told).output
    clear = CliRunner().invoke(app, [*told, "--clear"]).output
    assert "****" in masked
    assert "****" not in clear


def test_an_unknown_id_is_told_with_what_to_do() -> None:
    with pytest.raises(Exception, match="is it an id of the API"):
        gather(read, Range(file=path_of("digits")), "nobody")
