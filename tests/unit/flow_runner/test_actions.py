"""What each action does that is no prompt, and how a run ends."""

import pytest
from contracts.actions import Action
from contracts.call import CallHangUp, CallPlay
from contracts.flow import FlowFinished, VariablesSet
from flow_runner.domain.events import (
    CancelTimer,
    DigitPressed,
    HungUp,
    PlaybackFinished,
    TimerFired,
)
from flow_runner.domain.runs import DIGITS, LARGEST_COUNT, ForPlayback

from tests.unit.flow_runner.stepping import act, begun, hows, only, timers, told, types


def test_a_timer_that_fires_twice_ends_one_sleep() -> None:
    run, _ = begun(act("sleep", duration=1000), act("sleep", duration=60_000))
    run, _ = told(run, TimerFired("sleep.1"))
    assert told(run, TimerFired("sleep.1")) == (run, [])
    assert run.position == 1


def test_goto_jumps_as_often_as_it_may() -> None:
    run, effects = begun(
        act("talk", id_="menu", text="x"), act("goto", target_id="menu", loop_count=2)
    )
    plays = 1
    while not run.is_over:
        assert isinstance(run.waiting, ForPlayback)
        run, effects = told(run, PlaybackFinished(run.waiting.playback_id))
        plays += "call.play" in types(effects)
    assert plays == 3


def test_branch_follows_the_digits_and_empties_them() -> None:
    run, effects = begun(
        act("branch", target_ids={"1": "one"}, default_target_id="other"),
        act("sleep", id_="other", duration=1),
        act("sleep", id_="one", duration=2),
        variables={DIGITS: "1"},
    )
    assert run.position == 2
    assert run.digits == ""
    assert only(effects, VariablesSet).variables == {DIGITS: ""}


def test_branch_takes_the_default_when_no_value_fits() -> None:
    run, _ = begun(
        act("branch", target_ids={"1": "one"}, default_target_id="other"),
        act("sleep", id_="one", duration=2),
        act("sleep", id_="other", duration=1),
    )
    assert run.position == 2


def test_next_id_wins_over_the_order_of_the_list() -> None:
    run, _ = begun(
        act("answer", next_id="last"),
        act("sleep", duration=1),
        act("sleep", id_="last", duration=1),
    )
    assert run.position == 2


def test_digits_are_gathered_up_to_their_number() -> None:
    run, effects = begun(act("digits_receive", duration=5000, length=2), act("sleep", duration=1))
    assert timers(effects) == {"digits.1": 5000}
    run, _ = told(run, DigitPressed("4"))
    run, effects = told(run, DigitPressed("2"))
    assert only(effects, VariablesSet).variables == {DIGITS: "42"}
    assert CancelTimer("digits.1") in effects
    assert run.position == 1


def test_an_end_key_ends_the_gathering_and_is_not_kept() -> None:
    run, _ = begun(act("digits_receive", duration=5000, key="#"), act("sleep", duration=1))
    run, _ = told(run, DigitPressed("7"))
    run, effects = told(run, DigitPressed("#"))
    assert run.digits == "7"
    assert hows(effects) == ["finished"]


def test_gathering_has_a_time_limit() -> None:
    run, _ = begun(act("digits_receive", duration=5000, length=4), act("sleep", duration=1))
    run, _ = told(run, DigitPressed("7"))
    run, effects = told(run, TimerFired("digits.1"))
    assert hows(effects) == ["timeout"]
    assert run.digits == "7"


def test_a_key_pressed_over_the_menu_counts() -> None:
    run, _ = begun(
        act("talk", text="press one", digits_handle="next"),
        act("digits_receive", duration=5000, length=1),
        act("branch", target_ids={"1": "one"}),
        act("hangup"),
        act("sleep", id_="one", duration=9),
    )
    run, _ = told(run, DigitPressed("1"))
    assert run.position == 4


def test_variables_are_put_into_what_is_said() -> None:
    _, effects = begun(
        act("talk", text="Hello ${target.name}${nobody}!"), variables={"target.name": "Ada"}
    )
    assert only(effects, CallPlay).media_url == "http://m/Hello Ada!"


def test_hang_up_gives_the_cause_of_its_reason() -> None:
    _, effects = begun(act("hangup", reason="busy"), act("talk", text="never"))
    assert only(effects, CallHangUp).hangup_cause == 17


@pytest.mark.parametrize(
    "bad", [act("sleep", duration="soon"), act("play"), act("mute"), act("goto", loop_count=1)]
)
def test_an_action_that_cannot_be_read_fails_and_the_run_goes_on(bad: Action) -> None:
    run, effects = begun(bad, act("sleep", duration=1))
    assert hows(effects) == ["failed"]
    assert run.position == 1


def test_a_run_that_never_waits_fails_at_its_limit() -> None:
    run, effects = begun(act("goto", id_="here", target_id="here", loop_count=10**6))
    assert types(effects).count("flow.action_started") == LARGEST_COUNT
    assert only(effects, FlowFinished).how == "failed"
    assert only(effects, CallHangUp)
    assert run.is_over


def test_without_a_call_media_are_skipped_and_nothing_is_hung_up() -> None:
    media = [
        act("talk", text="x"), act("play", stream_urls=["u"]), act("sleep", duration=1),
        act("digits_receive", duration=1), act("queue_join", queue_id="q"), act("hangup"),
    ]  # fmt: skip
    run, effects = begun(*media, is_flow_only=True)
    assert hows(effects) == ["skipped"] * len(media)
    assert not [one for one in types(effects) if one.startswith("call.")]
    assert only(effects, FlowFinished).is_success
    assert run.is_over


def test_the_end_of_the_call_ends_the_run_and_its_timers() -> None:
    run, _ = begun(act("sleep", duration=5))
    run, effects = told(run, HungUp())
    assert types(effects) == ["flow.action_finished", "flow.finished"]
    assert CancelTimer("sleep.1") in effects
    assert told(run, HungUp()) == (run, [])
