"""Small pieces that every action and every wait is made of."""

from typing import Any

from contracts.call import CallHangUp
from contracts.flow import ActionFinished, ActionStarted, FlowFinished

from flow_runner.domain.events import Effect, LeaveQueue, Say, SetTimer
from flow_runner.domain.runs import ForAgent, Run

LONGEST_PLAYBACK_MS = 600_000

Outcome = tuple[Run, tuple[Effect, ...]]


def of(run: Run) -> dict[str, Any]:
    """Return what every fact of a run says first."""
    return {"attempt_id": run.attempt_id, "campaign_id": run.campaign_id}


def wait(run: Run, waiting: Any) -> Run:
    """Return the run waiting for something."""
    return run.model_copy(update={"waiting": waiting})


def guard() -> Effect:
    """A playback whose end is never told must not hold the run for ever."""
    return SetTimer("playback", LONGEST_PLAYBACK_MS)


def playback_of(run: Run) -> str:
    """Return the id of the playback of the current action: the same whenever it is asked."""
    return f"{run.attempt_id}-{run.executed_count}"


def prompt_id(run: Run, waiting: ForAgent) -> str:
    """Return the id of the last waiting prompt."""
    return f"{run.attempt_id}-{run.executed_count}-{waiting.prompt_count}"


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


def end(run: Run, how: str, *, is_success: bool) -> Outcome:
    """Return the run as over; a call that is still up is hung up, an agent let go."""
    effects: tuple[Effect, ...] = ()
    if isinstance(run.waiting, ForAgent):
        effects = (LeaveQueue(),)
    over = run.model_copy(update={"is_over": True, "waiting": None})
    told = Say(FlowFinished(**of(run), how=how, is_success=is_success))
    if how == "hung_up" or run.is_flow_only:
        return over, (*effects, told)
    return over, (*effects, told, Say(CallHangUp(attempt_id=run.attempt_id)))


def joined(outcome: Outcome, before: tuple[Effect, ...]) -> Outcome:
    """Return an outcome with effects before its own."""
    return outcome[0], (*before, *outcome[1])
