"""What a party hears, and what a playback's end makes of its run."""

from contracts.call import CallPlay, CallStopPlayback
from contracts.flow import FlowFinished
from flow_runner.domain.events import (
    CancelTimer,
    DigitPressed,
    PlaybackFinished,
    Started,
    TimerFired,
)

from tests.unit.flow_runner.stepping import a_run, act, begun, hows, only, timers, told, types


def test_whoever_answers_hears_the_first_prompt() -> None:
    run, effects = begun(act("talk", text="hello"))
    assert types(effects) == ["flow.started", "flow.action_started", "call.play"]
    assert only(effects, CallPlay).media_url == "http://m/hello"
    assert not run.is_over


def test_the_end_of_the_last_prompt_hangs_the_call_up() -> None:
    run, effects = begun(act("talk", text="hello"))
    run, effects = told(run, PlaybackFinished("a-1"))
    assert types(effects) == ["flow.action_finished", "flow.finished", "call.hang_up"]
    assert only(effects, FlowFinished).is_success
    assert run.is_over


def test_a_prompt_may_take_its_duration_and_a_margin() -> None:
    run, effects = begun(act("talk", text="hello"), act("sleep", duration=1))
    assert timers(effects) == {"playback.a-1": 12_000}
    run, effects = told(run, TimerFired("playback.a-1"))
    assert only(effects, CallStopPlayback).playback_id == "a-1"
    assert hows(effects) == ["timeout"]
    assert run.position == 1


def test_a_text_that_cannot_be_spoken_fails_its_action_and_not_the_run() -> None:
    run, effects = told(
        a_run(act("talk", text="x"), act("sleep", duration=5)), Started(), can_speak=False
    )
    assert hows(effects) == ["failed"]
    assert run.position == 1


def test_a_key_skips_a_prompt_that_lets_itself_be_skipped() -> None:
    run, _ = begun(act("talk", text="x", digits_handle="next"), act("sleep", duration=5))
    run, effects = told(run, DigitPressed("1"))
    assert only(effects, CallStopPlayback).playback_id == "a-1"
    assert hows(effects) == ["interrupted"]
    assert run.digits == "1"


def test_a_key_does_not_skip_another_prompt_and_is_kept() -> None:
    run, _ = begun(act("talk", text="x"))
    run, effects = told(run, DigitPressed("1"))
    assert effects == []
    assert run.digits == "1"


def test_an_asynchronous_prompt_is_not_waited_for() -> None:
    run, effects = begun(act("talk", text="x", is_async=True), act("sleep", duration=9000))
    assert only(effects, CallPlay).playback_id == "a-1"
    assert timers(effects) == {"sleep.2": 9000}
    assert told(run, PlaybackFinished("a-1")) == (run, [])


def test_media_are_played_one_after_the_other() -> None:
    run, effects = begun(act("play", stream_urls=["u1", "u2"]))
    heard = [only(effects, CallPlay).media_url]
    run, effects = told(run, PlaybackFinished("a-1"))
    heard.append(only(effects, CallPlay).media_url)
    assert CancelTimer("playback.a-1") in effects
    assert told(run, PlaybackFinished("a-1")) == (run, []), "told twice"
    run, _ = told(run, PlaybackFinished("a-1+"))
    assert heard == ["u1", "u2"]
    assert run.is_over


def test_a_playback_that_is_not_awaited_changes_nothing() -> None:
    run, _ = begun(act("talk", text="x"))
    assert told(run, PlaybackFinished("other")) == (run, [])
