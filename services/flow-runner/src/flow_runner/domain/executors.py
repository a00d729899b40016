"""What each action does: either it is over at once, or the run waits for something.

An action whose option does not parse has failed, and the run goes on with the next.
"""

from collections.abc import Callable
from typing import Any

from contracts.actions import (
    Answer,
    Branch,
    DigitsReceive,
    Goto,
    Hangup,
    Option,
    Play,
    QueueJoin,
    Sleep,
    Stop,
    Talk,
    UnknownAction,
    parse_option,
)
from contracts.call import CallPlay
from pydantic import ValidationError

from flow_runner.domain.events import Effect, FindQueue, Say, SetTimer, Speak
from flow_runner.domain.pieces import (
    NORMAL_CLEARING,
    end,
    finished,
    gathered,
    guard,
    playback_of,
    told,
    wait,
)
from flow_runner.domain.runs import (
    DIGITS,
    ForAgent,
    ForDigits,
    ForPlayback,
    ForTime,
    Run,
)
from flow_runner.domain.substitution import substitute

MEDIA = (Talk, Play, Sleep, DigitsReceive, QueueJoin, Hangup, Answer)
"""What a run without a call skips. Source: the original's table of required media."""

HANGUP_CAUSES = {"busy": 17, "noanswer": 19, "failed": 38}
"""Q.850 numbers of the reasons a flow may give; any other one is normal clearing."""

Executed = tuple[Run, tuple[Effect, ...], str]


def execute(run: Run) -> Executed:
    """Return the run at its next position or waiting, the effects, and how the action went."""
    onward = run.model_copy(update={"position": run.next_position})
    action = run.current
    try:
        filled = action.model_copy(update={"option": substitute(action.option, run.variables)})
        option = parse_option(filled)
    except (UnknownAction, ValidationError):
        return onward, (), "failed"
    if run.is_flow_only and isinstance(option, MEDIA):
        return onward, (), "skipped"
    return EXECUTORS[type(option)](run, onward, option)


def _pass(_run: Run, onward: Run, _option: Any) -> Executed:
    return onward, (), "finished"


def _hang_up(run: Run, _onward: Run, option: Hangup) -> Executed:
    cause = HANGUP_CAUSES.get(option.reason, NORMAL_CLEARING)
    over, effects = end(run, "completed", is_success=True, hangup_cause=cause)
    return over, (finished(run, "finished"), *effects), "finished"


def _talk(run: Run, _onward: Run, option: Talk) -> Executed:
    playback_id = playback_of(run)
    waiting = ForPlayback(
        playback_id=playback_id,
        is_skippable=option.digits_handle == "next",
        is_async=option.is_async,
        is_asked=True,
    )
    voice = option.voice_id or option.gender
    return wait(run, waiting), (Speak(playback_id, option.text, option.language, voice),), ""


def _play(run: Run, _onward: Run, option: Play) -> Executed:
    playback_id = playback_of(run)
    first, *rest = option.stream_urls
    play = CallPlay(attempt_id=run.attempt_id, playback_id=playback_id, media_url=first)
    waiting = ForPlayback(playback_id=playback_id, urls=tuple(rest))
    return wait(run, waiting), (Say(play), guard(playback_id)), ""


def _sleep(run: Run, _onward: Run, option: Sleep) -> Executed:
    return wait(run, ForTime()), (SetTimer(run.timer("sleep"), option.duration),), ""


def _goto(run: Run, onward: Run, option: Goto) -> Executed:
    key = str(run.position)
    jumped = run.loops.get(key, 0)
    place = run.place_of(option.target_id)
    if jumped >= option.loop_count:
        return onward, (), "skipped"
    if place is None:
        return onward, (), "failed"
    loops = {**run.loops, key: jumped + 1}
    return run.model_copy(update={"position": place, "loops": loops}), (), "finished"


def _branch(run: Run, onward: Run, option: Branch) -> Executed:
    value = run.variables.get(option.variable, "")
    wanted = option.target_ids.get(value, option.default_target_id)
    place = run.place_of(wanted)
    after = onward if place is None else onward.model_copy(update={"position": place})
    if not value:
        return after, (), "finished"
    after = after.with_variables({option.variable: ""})
    return after, (told(after, option.variable),), "finished"


def _receive(run: Run, onward: Run, option: DigitsReceive) -> Executed:
    digits = gathered(run.digits, end_keys=option.key, length=option.length)
    if digits is not None:  # typed ahead
        after = onward.with_variables({DIGITS: digits})
        return after, (told(after, DIGITS),), "finished"
    waiting = ForDigits(end_keys=option.key, length=option.length)
    return wait(run, waiting), (SetTimer(run.timer("digits"), option.duration),), ""


def _join(run: Run, _onward: Run, option: QueueJoin) -> Executed:
    return wait(run, ForAgent(queue_id=option.queue_id)), (FindQueue(option.queue_id),), ""


def _stop(run: Run, _onward: Run, _option: Stop) -> Executed:
    over, effects = end(run, "completed", is_success=True)
    return over, (finished(run, "finished"), *effects), "finished"


EXECUTORS: dict[type[Option], Callable[[Run, Run, Any], Executed]] = {
    Answer: _pass,
    Hangup: _hang_up,
    Stop: _stop,
    Talk: _talk,
    Play: _play,
    Sleep: _sleep,
    Goto: _goto,
    Branch: _branch,
    DigitsReceive: _receive,
    QueueJoin: _join,
}
