"""A run taken step by step, its questions answered as the use case does."""

from typing import Any

from contracts.actions import Action
from contracts.base import Message
from contracts.resources import Address
from flow_runner.domain.events import (
    AgentAssigned,
    Effect,
    Event,
    FindQueue,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Say,
    SetTimer,
    Speak,
    Started,
)
from flow_runner.domain.interpreter import step
from flow_runner.domain.queueing import WAITING_PROMPTS
from flow_runner.domain.runs import Run

TEL = Address(type="tel", target="+15550100099")


def act(type_: str, *, id_: str = "", next_id: str = "", **option: Any) -> Action:
    return Action(type=type_, id=id_, next_id=next_id, option=option)


def a_run(*actions: Action, **fields: Any) -> Run:
    return Run(attempt_id="a", campaign_id="k", customer_id="c", actions=actions, **fields)


def told(
    run: Run, event: Event, *, queue: QueueFound | None = None, can_speak: bool = True
) -> tuple[Run, list[Effect]]:
    """Take a step and answer its questions, as the use case does."""
    run, effects = step(run, event)
    open_ = list(effects)
    done: list[Effect] = []
    while open_:
        effect = open_.pop(0)
        match effect:
            case Speak(playback_id=id_) if can_speak:
                run, more = step(run, PromptMade(id_, f"http://m/{effect.text}", 2000))
            case Speak(playback_id=id_):
                run, more = step(run, PlaybackFinished(id_, is_failed=True))
            case FindQueue(queue_id=id_):
                run, more = step(run, queue or QueueMissing(id_))
            case _:
                done.append(effect)
                continue
        open_ = [*more, *open_]
    return run, done


def begun(*actions: Action, **fields: Any) -> tuple[Run, list[Effect]]:
    return told(a_run(*actions, **fields), Started())


def queued(*after: Action, wait_limit_ms: int = 0) -> Run:
    """A run that waits in queue q."""
    queue = QueueFound("q", "sales", "", wait_limit_ms, WAITING_PROMPTS)
    run, _ = told(a_run(act("queue_join", queue_id="q"), *after), Started(), queue=queue)
    return run


def assigned(number: int = 1) -> AgentAssigned:
    return AgentAssigned(f"agent{number}", f"a-agent-{number}", TEL)


def said(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Say)]


def types(effects: list[Effect]) -> list[str]:
    return [message.type for message in said(effects)]


def only(effects: list[Effect], kind: type[Any]) -> Any:
    """The one message or effect of a kind."""
    found = [one for one in (*said(effects), *effects) if isinstance(one, kind)]
    assert len(found) == 1, f"{len(found)} {kind.__name__} in {effects}"
    return found[0]


def timers(effects: list[Effect]) -> dict[str, int]:
    return {one.timer: one.after_ms for one in effects if isinstance(one, SetTimer)}


def hows(effects: list[Effect]) -> list[str]:
    return [message.how for message in said(effects) if message.type == "flow.action_finished"]  # type: ignore[attr-defined]  # the type says so
