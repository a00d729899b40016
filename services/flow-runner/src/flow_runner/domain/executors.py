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

from flow_runner.domain.events import Effect, JoinQueue, Say, SetTimer, Speak
from flow_runner.domain.pieces import end, finished, guard, playback_of, wait
from flow_runner.domain.runs import ForAgent, ForDigits, ForPlayback, ForTime, Run
from flow_runner.domain.substitution import substitute

MEDIA = (Talk, Play, Sleep, DigitsReceive, QueueJoin, Hangup, Answer)

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


def _hang_up(run: Run, _onward: Run, _option: Hangup) -> Executed:
    over, effects = end(run, "completed", is_success=True)
    return over, (finished(run, "finished"), *effects), "finished"


def _talk(run: Run, onward: Run, option: Talk) -> Executed:
    playback_id = playback_of(run)
    voice = option.voice_id or option.gender
    speak = Speak(playback_id, option.text, option.language, voice)
    if option.is_async:
        return onward, (speak,), "finished"
    waiting = ForPlayback(playback_id=playback_id, is_skippable=option.digits_handle == "next")
    return wait(run, waiting), (speak, guard()), ""


def _play(run: Run, _onward: Run, option: Play) -> Executed:
    playback_id = playback_of(run)
    first, *rest = option.stream_urls
    play = CallPlay(attempt_id=run.attempt_id, playback_id=playback_id, media_url=first)
    waiting = ForPlayback(playback_id=playback_id, urls=tuple(rest))
    return wait(run, waiting), (Say(play), guard()), ""


def _sleep(run: Run, _onward: Run, option: Sleep) -> Executed:
    return wait(run, ForTime()), (SetTimer("sleep", option.duration),), ""


def _goto(run: Run, onward: Run, option: Goto) -> Executed:
    key = str(run.position)
    jumped = run.loops.get(key, 0)
    place = run.place_of(option.target_id)
    if place is None or jumped >= option.loop_count:
        return onward, (), "skipped"
    loops = {**run.loops, key: jumped + 1}
    return run.model_copy(update={"position": place, "loops": loops}), (), "finished"


def _branch(run: Run, onward: Run, option: Branch) -> Executed:
    value = run.variables.get(option.variable, "")
    wanted = option.target_ids.get(value, option.default_target_id)
    place = run.place_of(wanted)
    update: dict[str, Any] = {"variables": {**run.variables, option.variable: ""}}
    if place is not None:
        update["position"] = place
    return onward.model_copy(update=update), (), "finished"


def _receive(run: Run, _onward: Run, option: DigitsReceive) -> Executed:
    waiting = ForDigits(end_keys=option.key, length=option.length)
    asked = wait(run, waiting).model_copy(update={"digits": ""})
    return asked, (SetTimer("digits", option.duration),), ""


def _join(run: Run, _onward: Run, option: QueueJoin) -> Executed:
    return (
        wait(run, ForAgent(queue_id=option.queue_id)),
        (JoinQueue(option.queue_id), SetTimer("prompt", 0)),
        "",
    )


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
