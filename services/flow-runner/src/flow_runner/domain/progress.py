"""From action to action: execute until something has to be waited for, or the flow ends."""

from flow_runner.domain.events import Effect
from flow_runner.domain.executors import execute
from flow_runner.domain.pieces import Outcome, end, finished, joined, started
from flow_runner.domain.runs import LARGEST_COUNT, Run


def go_on(run: Run, before: tuple[Effect, ...] = ()) -> Outcome:
    """Execute actions from the current position until one has to be waited for.

    Skipped actions count like others, so that no turn is longer than a run may be.
    """
    done = list(before)
    while True:
        if run.position >= len(run.actions):
            return joined(end(run, "completed", is_success=True), tuple(done))
        if run.executed_count >= LARGEST_COUNT:
            return joined(end(run, "failed", is_success=False), tuple(done))
        run = run.model_copy(update={"executed_count": run.executed_count + 1})
        done.append(started(run))
        after, more, how = execute(run)
        done += more
        if after.is_over or after.waiting is not None:
            return after, tuple(done)
        done.append(finished(run, how))
        run = after


def finish(run: Run, how: str, *effects: Effect) -> Outcome:
    """The current action is over: go on with the next."""
    onward = run.model_copy(update={"waiting": None, "position": run.next_position})
    return go_on(onward, (*effects, finished(run, how)))
