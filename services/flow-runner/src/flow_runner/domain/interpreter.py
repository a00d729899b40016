"""`step(run, event) -> (run, effects)`: total and pure; time and chance arrive in the event.

An action either is over at once or leaves the run waiting for something. What comes while the run
waits for something else is late, repeated or none of its business, and changes nothing.
"""

from contracts.call import CallBridge, CallPlay, CallStopPlayback
from contracts.flow import FlowStarted

from flow_runner.domain.events import (
    AgentAssigned,
    Bridged,
    BridgeFailed,
    CancelTimer,
    DigitPressed,
    Effect,
    Event,
    HungUp,
    JoinQueue,
    LeaveQueue,
    PlaybackFinished,
    Say,
    SetTimer,
    Speak,
    Started,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.executors import execute
from flow_runner.domain.pieces import (
    Outcome,
    end,
    finished,
    guard,
    joined,
    of,
    prompt_id,
    started,
    wait,
)
from flow_runner.domain.runs import (
    LARGEST_COUNT,
    ForAgent,
    ForDigits,
    ForPlayback,
    ForTime,
    Run,
)

DIGITS = "voipbin.call.digits"
PROMPT_PAUSE_MS = 8_000
WAITING_PROMPT = "All agents are busy. Please hold the line."


def step(run: Run, event: Event) -> Outcome:
    """Return the run after an event, and the effects to carry out, in order."""
    if run.is_over:
        return run, ()
    match event:
        case HungUp():
            return end(run, "hung_up", is_success=False)
        case Started() if run.executed_count == 0:
            return _go(run, (Say(FlowStarted(**of(run))),))
        case _:
            return _while_waiting(run, event)


def _while_waiting(run: Run, event: Event) -> Outcome:
    match run.waiting:
        case ForPlayback() as waiting:
            return _while_playing(run, waiting, event)
        case ForTime():
            return _finish(run, "finished") if event == TimerFired("sleep") else (run, ())
        case ForDigits() as waiting:
            return _while_gathering(run, waiting, event)
        case ForAgent() as waiting:
            return _while_queued(run, waiting, event)
        case None:
            return run, ()


def _go(run: Run, effects: tuple[Effect, ...]) -> Outcome:
    """Execute actions from the current position until one has to be waited for."""
    done = effects
    while True:
        if run.position >= len(run.actions):
            return joined(end(run, "completed", is_success=True), done)
        if run.executed_count >= LARGEST_COUNT:
            return joined(end(run, "failed", is_success=False), done)
        run = run.model_copy(update={"executed_count": run.executed_count + 1})
        done = (*done, started(run))
        after, more, how = execute(run)
        done = (*done, *more)
        if after.is_over or after.waiting is not None:
            return after, done
        done = (*done, finished(run, how))
        run = after


def _finish(run: Run, how: str, *effects: Effect) -> Outcome:
    """The current action is over: go on with the next."""
    onward = run.model_copy(update={"waiting": None, "position": run.next_position})
    return _go(onward, (*effects, finished(run, how)))


def _while_playing(run: Run, waiting: ForPlayback, event: Event) -> Outcome:
    match event:
        case PlaybackFinished(playback_id=id_, is_failed=is_failed) if id_ == waiting.playback_id:
            if waiting.urls:
                return _play_next(run, waiting)
            return _finish(run, "failed" if is_failed else "finished", CancelTimer("playback"))
        case TimerFired(timer="playback"):
            return _finish(run, "timeout")
        case DigitPressed(digit=digit):
            heard = run.model_copy(update={"variables": {**run.variables, DIGITS: digit}})
            if not waiting.is_skippable:
                return run, ()
            stop = CallStopPlayback(attempt_id=run.attempt_id, playback_id=waiting.playback_id)
            return _finish(heard, "interrupted", Say(stop), CancelTimer("playback"))
        case _:
            return run, ()


def _play_next(run: Run, waiting: ForPlayback) -> Outcome:
    playback_id = f"{waiting.playback_id}+"
    play = CallPlay(attempt_id=run.attempt_id, playback_id=playback_id, media_url=waiting.urls[0])
    going_on = waiting.model_copy(update={"playback_id": playback_id, "urls": waiting.urls[1:]})
    return wait(run, going_on), (Say(play), guard())


def _while_gathering(run: Run, waiting: ForDigits, event: Event) -> Outcome:
    match event:
        case DigitPressed(digit=digit) if digit in waiting.end_keys:
            return _gathered(run, "finished", CancelTimer("digits"))
        case DigitPressed(digit=digit):
            run = run.model_copy(update={"digits": run.digits + digit})
            if waiting.length and len(run.digits) >= waiting.length:
                return _gathered(run, "finished", CancelTimer("digits"))
            return run, ()
        case TimerFired(timer="digits"):
            return _gathered(run, "timeout")
        case _:
            return run, ()


def _gathered(run: Run, how: str, *effects: Effect) -> Outcome:
    kept = run.model_copy(update={"variables": {**run.variables, DIGITS: run.digits}})
    return _finish(kept, how, *effects)


def _while_queued(run: Run, waiting: ForAgent, event: Event) -> Outcome:
    match event:
        case AgentAssigned():
            return _assigned(run, waiting, event)
        case Bridged() | BridgeFailed() | Unbridged():
            return (run, ()) if event.leg_id != waiting.leg_id else _with_agent(run, waiting, event)
        case TimerFired(timer=timer):
            return _queue_timer(run, waiting, timer)
        case _:
            return run, ()


def _assigned(run: Run, waiting: ForAgent, event: AgentAssigned) -> Outcome:
    if waiting.leg_id:
        return run, ()
    update = {"agent_id": event.agent_id, "leg_id": event.leg_id}
    call = CallBridge(
        attempt_id=run.attempt_id,
        agent_id=event.agent_id,
        leg_id=event.leg_id,
        address=event.address,
    )
    return wait(run, waiting.model_copy(update=update)), (Say(call),)


def _with_agent(run: Run, waiting: ForAgent, event: Bridged | BridgeFailed | Unbridged) -> Outcome:
    match event:
        case Bridged():
            talking = waiting.model_copy(update={"is_talking": True})
            quiet = (*_hush(run, waiting), CancelTimer("prompt"), CancelTimer("queue"))
            return wait(run, talking), quiet
        case BridgeFailed():
            again = waiting.model_copy(update={"agent_id": "", "leg_id": ""})
            return wait(run, again), (
                LeaveQueue(waiting.agent_id),
                JoinQueue(waiting.queue_id, is_first=True),
            )
        case Unbridged():
            return _finish(run, "finished", LeaveQueue())


def _queue_timer(run: Run, waiting: ForAgent, timer: str) -> Outcome:
    if timer == "queue" and not waiting.leg_id:
        return _finish(run, "timeout", *_hush(run, waiting), LeaveQueue(), CancelTimer("prompt"))
    if timer != "prompt" or waiting.is_talking:
        return run, ()
    heard = waiting.model_copy(update={"prompt_count": waiting.prompt_count + 1})
    effects: tuple[Effect, ...] = (
        JoinQueue(waiting.queue_id),
        SetTimer("prompt", PROMPT_PAUSE_MS),
    )
    if not waiting.leg_id:
        prompt = Speak(prompt_id(run, heard), WAITING_PROMPT, "en-US", "")
        effects = (*effects, prompt)
    return wait(run, heard), effects


def _hush(run: Run, waiting: ForAgent) -> tuple[Effect, ...]:
    if not waiting.prompt_count:
        return ()
    stop = CallStopPlayback(attempt_id=run.attempt_id, playback_id=prompt_id(run, waiting))
    return (Say(stop),)
