"""Small pieces that every action and every wait is made of."""

from typing import Any

from contracts.call import CallHangUp
from contracts.flow import ActionFinished, ActionStarted, FlowFinished, VariablesSet

from flow_runner.domain.events import CancelTimer, Effect, LeaveQueue, Say, SetTimer
from flow_runner.domain.runs import DIGITS, ForAgent, ForDigits, ForPlayback, ForTime, Run

LONGEST_PLAYBACK_MS = 600_000
PROMPT_MARGIN_MS = 10_000
"""How much longer than its duration a spoken prompt may take."""
NORMAL_CLEARING = 16
RESUME, HANG_UP = "resume", "hang_up"
"""Timers of a run that was restored: it begins its action anew, or its party is gone."""

Outcome = tuple[Run, tuple[Effect, ...]]


def of(run: Run) -> dict[str, Any]:
    """Return what every fact of a run says first."""
    return {"attempt_id": run.attempt_id, "campaign_id": run.campaign_id}


def wait(run: Run, waiting: Any) -> Run:
    """Return the run waiting for something."""
    return run.model_copy(update={"waiting": waiting})


def playback_timer(playback_id: str) -> str:
    """Return the timer of a playback."""
    return f"playback.{playback_id}"


def guard(playback_id: str, after_ms: int = LONGEST_PLAYBACK_MS) -> Effect:
    """A playback whose end is never told must not hold the run for ever."""
    return SetTimer(playback_timer(playback_id), after_ms)


def playback_of(run: Run) -> str:
    """Return the id of the playback of the current action: the same whenever it is asked."""
    return f"{run.attempt_id}-{run.executed_count}"


def prompt_id(run: Run, waiting: ForAgent) -> str:
    """Return the id of the last waiting prompt."""
    return f"{run.attempt_id}-{run.executed_count}-{waiting.prompt_count}"


def prompt_timer(run: Run, waiting: ForAgent) -> str:
    """Return the timer of the last waiting prompt: when the next one begins at the latest."""
    return f"{run.timer('prompt')}.{waiting.prompt_count}"


def ring_timer(waiting: ForAgent) -> str:
    """Return the timer of a call to an agent."""
    return f"ring.{waiting.leg_id}"


def timers_of(run: Run) -> tuple[str, ...]:
    """Return the timers that may be set for what the run waits for."""
    match run.waiting:
        case ForPlayback(playback_id=playback_id):
            names: tuple[str, ...] = (playback_timer(playback_id),)
        case ForTime():
            names = (run.timer("sleep"),)
        case ForDigits():
            names = (run.timer("digits"),)
        case ForAgent(is_found=True) as waiting:
            own = (ring_timer(waiting),) if waiting.leg_id else (prompt_timer(run, waiting),)
            names = (*own, run.timer("queue"))
        case ForAgent() | None:
            names = ()
    return names


def cancel_timers(run: Run) -> tuple[Effect, ...]:
    """Return what makes the timers of the present wait be forgotten."""
    return tuple(CancelTimer(name) for name in timers_of(run))


def started(run: Run) -> Effect:
    """Tell that the current action begins."""
    action = run.current
    return Say(
        ActionStarted(
            **of(run), action_id=action.id, action_type=action.type, position=run.position
        )
    )


def finished(run: Run, how: str) -> Effect:
    """Tell that the current action is over, and how."""
    action = run.current
    return Say(
        ActionFinished(
            **of(run), action_id=action.id, action_type=action.type, position=run.position, how=how
        )
    )


def told(run: Run, name: str) -> Effect:
    """Tell the value of a variable."""
    return Say(VariablesSet(**of(run), variables={name: run.variables.get(name, "")}))


def end(run: Run, how: str, *, is_success: bool, hangup_cause: int = NORMAL_CLEARING) -> Outcome:
    """Return the run as over; a call that is still up is hung up, an agent let go."""
    effects = cancel_timers(run)
    if isinstance(run.waiting, ForAgent):
        effects = (*effects, LeaveQueue())
    over = run.model_copy(update={"is_over": True, "waiting": None})
    said = Say(FlowFinished(**of(run), how=how, is_success=is_success))
    if how == "hung_up" or run.is_flow_only:
        return over, (*effects, said)
    hang_up = CallHangUp(attempt_id=run.attempt_id, hangup_cause=hangup_cause)
    return over, (*effects, said, Say(hang_up))


def joined(outcome: Outcome, before: tuple[Effect, ...]) -> Outcome:
    """Return an outcome with effects before its own."""
    return outcome[0], (*before, *outcome[1])


def noted(run: Run, digit: str) -> Run:
    """Return the run with one more key pressed."""
    return run.with_variables({DIGITS: run.digits + digit})


def gathered(typed: str, *, end_keys: str, length: int) -> str | None:
    """Return the digits once they are complete: an end key came, or as many as asked for."""
    for place, key in enumerate(typed):
        if key in end_keys:
            return typed[:place]
        if place + 1 == length:
            return typed[:length]
    return None
