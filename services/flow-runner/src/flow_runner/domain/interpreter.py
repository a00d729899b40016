"""`step(run, event) -> (run, effects)`: total and pure; time and chance arrive in the event.

An action either is over at once or leaves the run waiting for something. What comes while the run
waits for something else is late, repeated or none of its business, and changes nothing.
"""

from contracts.call import CallPlay, CallStopPlayback
from contracts.flow import FlowStarted

from flow_runner.domain.events import (
    DigitPressed,
    Event,
    FindQueue,
    HungUp,
    PlaybackFinished,
    PromptMade,
    Say,
    Started,
    TimerFired,
)
from flow_runner.domain.pieces import (
    HANG_UP,
    PROMPT_MARGIN_MS,
    RESUME,
    Outcome,
    cancel_timers,
    end,
    finished,
    gathered,
    guard,
    joined,
    noted,
    of,
    playback_of,
    playback_timer,
    told,
    wait,
)
from flow_runner.domain.progress import finish, go_on
from flow_runner.domain.runs import DIGITS, ForAgent, ForDigits, ForPlayback, ForTime, Run
from flow_runner.domain.waiting import while_queued


def step(run: Run, event: Event) -> Outcome:
    """Return the run after an event, and the effects to carry out, in order."""
    if run.is_over:
        return run, ()
    match event:
        case HungUp():
            return _hung_up(run)
        case TimerFired(timer=timer) if timer == HANG_UP:
            return _hung_up(run)
        case Started() if run.executed_count == 0:
            return go_on(run, (Say(FlowStarted(**of(run))),))
        case TimerFired(timer=timer) if timer == RESUME:
            return _resumed(run)
        case _:
            return _while_waiting(run, event)


def _resumed(run: Run) -> Outcome:
    """Begin the action anew that a restored run was at; a talk with an agent just goes on."""
    if run.executed_count == 0:
        return step(run, Started())
    match run.waiting:
        case ForAgent(is_talking=True):
            return run, ()
        case ForAgent(queue_id=queue_id):
            return wait(run, ForAgent(queue_id=queue_id)), (FindQueue(queue_id),)
        case _:
            hush = CallStopPlayback(attempt_id=run.attempt_id, playback_id=playback_of(run))
            return go_on(run, () if run.is_flow_only else (Say(hush),))


def _hung_up(run: Run) -> Outcome:
    ended = end(run, "hung_up", is_success=False)
    return joined(ended, (finished(run, "interrupted"),)) if run.waiting else ended


def _while_waiting(run: Run, event: Event) -> Outcome:
    match run.waiting:
        case ForPlayback() as waiting:
            return _while_playing(run, waiting, event)
        case ForTime():
            return _while_sleeping(run, event)
        case ForDigits() as waiting:
            return _while_gathering(run, waiting, event)
        case ForAgent() as waiting:
            return while_queued(run, waiting, event)
        case None:
            return run, ()


def _while_sleeping(run: Run, event: Event) -> Outcome:
    match event:
        case DigitPressed(digit=digit):
            return noted(run, digit), ()
        case TimerFired(timer=timer) if timer == run.timer("sleep"):
            return finish(run, "finished")
        case _:
            return run, ()


def _while_playing(run: Run, waiting: ForPlayback, event: Event) -> Outcome:
    match event:
        case PromptMade(playback_id=id_) if waiting.is_asked and id_ == waiting.playback_id:
            return _prompt_made(run, waiting, event)
        case PlaybackFinished(playback_id=id_) if id_ == waiting.playback_id:
            return _played(run, waiting, is_failed=event.is_failed)
        case TimerFired(timer=timer) if timer == playback_timer(waiting.playback_id):
            return _stop_playing(run, waiting, "timeout")
        case DigitPressed(digit=digit):
            heard = noted(run, digit)
            return (
                _stop_playing(heard, waiting, "interrupted")
                if waiting.is_skippable
                else (heard, ())
            )
        case _:
            return run, ()


def _prompt_made(run: Run, waiting: ForPlayback, event: PromptMade) -> Outcome:
    play = CallPlay(
        attempt_id=run.attempt_id, playback_id=event.playback_id, media_url=event.media_url
    )
    if waiting.is_async:
        return finish(run, "finished", Say(play))
    heard = wait(run, waiting.model_copy(update={"is_asked": False}))
    return heard, (Say(play), guard(event.playback_id, event.duration_ms + PROMPT_MARGIN_MS))


def _stop_playing(run: Run, waiting: ForPlayback, how: str) -> Outcome:
    stop = CallStopPlayback(attempt_id=run.attempt_id, playback_id=waiting.playback_id)
    return finish(run, how, Say(stop), *cancel_timers(run))


def _played(run: Run, waiting: ForPlayback, *, is_failed: bool) -> Outcome:
    """One medium has ended: the next of the list, or the next action."""
    if not waiting.urls:
        return finish(run, "failed" if is_failed else "finished", *cancel_timers(run))
    playback_id = f"{waiting.playback_id}+"
    play = CallPlay(attempt_id=run.attempt_id, playback_id=playback_id, media_url=waiting.urls[0])
    going_on = waiting.model_copy(update={"playback_id": playback_id, "urls": waiting.urls[1:]})
    return wait(run, going_on), (*cancel_timers(run), Say(play), guard(playback_id))


def _while_gathering(run: Run, waiting: ForDigits, event: Event) -> Outcome:
    match event:
        case DigitPressed(digit=digit):
            pressed = noted(run, digit)
            digits = gathered(pressed.digits, end_keys=waiting.end_keys, length=waiting.length)
            if digits is None:
                return pressed, ()
            kept = run.with_variables({DIGITS: digits})
            return finish(kept, "finished", told(kept, DIGITS), *cancel_timers(run))
        case TimerFired(timer=timer) if timer == run.timer("digits"):
            return finish(run, "timeout", told(run, DIGITS))
        case _:
            return run, ()
