"""In a queue: ask for an agent, hear prompts meanwhile, talk to the agent, go on.

The prompts' timer also asks for an agent again, and a call to an agent has a limit of its own: a
word that was lost between run and queue costs a pause, and never the caller.
"""

from contracts.actions import Play, Sleep, Talk, UnknownAction, ValidationError, parse_option
from contracts.call import CallBridge, CallPlay, CallStopPlayback

from flow_runner.domain.events import (
    AgentAssigned,
    Bridged,
    BridgeFailed,
    CancelTimer,
    DigitPressed,
    Effect,
    Event,
    JoinQueue,
    LeaveQueue,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Say,
    SetTimer,
    Speak,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.pieces import (
    LONGEST_PLAYBACK_MS,
    PROMPT_MARGIN_MS,
    Outcome,
    cancel_timers,
    noted,
    prompt_id,
    prompt_timer,
    ring_timer,
    wait,
)
from flow_runner.domain.progress import finish
from flow_runner.domain.runs import ForAgent, Run
from flow_runner.domain.substitution import substitute

FIRST_PROMPT_MS = 400
"""A free agent is engaged within this time, and then there is nothing to say."""
PROMPT_PAUSE_MS = 8_000
RING_TIMEOUT_MS = 30_000
RING_MARGIN_MS = 15_000


def while_queued(run: Run, waiting: ForAgent, event: Event) -> Outcome:
    """Return what an event makes of a run that waits in a queue."""
    match event:
        case QueueFound() | QueueMissing():
            outcome = _entered(run, waiting, event)
        case AgentAssigned():
            outcome = _assigned(run, waiting, event)
        case Bridged() | BridgeFailed() | Unbridged() if event.leg_id == waiting.leg_id:
            outcome = _with_agent(run, waiting, event)
        case PromptMade() | PlaybackFinished():
            outcome = _prompt(run, waiting, event)
        case TimerFired(timer=timer):
            outcome = _timer(run, waiting, timer)
        case DigitPressed(digit=digit):
            outcome = noted(run, digit), ()
        case _:
            outcome = run, ()
    return outcome


def _entered(run: Run, waiting: ForAgent, event: QueueFound | QueueMissing) -> Outcome:
    if waiting.is_found or event.queue_id != waiting.queue_id:
        return run, ()
    if isinstance(event, QueueMissing):
        return finish(run, "failed")
    named = run.with_variables(
        {
            "voipbin.queue.id": event.queue_id,
            "voipbin.queue.name": event.name,
            "voipbin.queue.detail": event.detail,
        }
    )
    stands = waiting.model_copy(update={"is_found": True, "prompts": event.prompts})
    effects: tuple[Effect, ...] = (
        _join(stands),
        SetTimer(prompt_timer(run, stands), FIRST_PROMPT_MS),
    )
    if event.wait_limit_ms:
        effects = (*effects, SetTimer(run.timer("queue"), event.wait_limit_ms))
    return wait(named, stands), effects


def _join(waiting: ForAgent) -> JoinQueue:
    return JoinQueue(waiting.queue_id, failed_leg_id=waiting.last_leg_id)


def _assigned(run: Run, waiting: ForAgent, event: AgentAssigned) -> Outcome:
    if waiting.leg_id or not waiting.is_found:
        return run, ()
    if event.leg_id == waiting.last_leg_id:  # the queue has not heard that it came to nothing
        return run, (_join(waiting),)
    called = waiting.model_copy(
        update={
            "agent_id": event.agent_id,
            "leg_id": event.leg_id,
            "is_asked": False,
            "is_hearing": False,
        }
    )
    bridge = CallBridge(
        attempt_id=run.attempt_id,
        agent_id=event.agent_id,
        leg_id=event.leg_id,
        address=event.address,
        ring_timeout_ms=RING_TIMEOUT_MS,
    )
    return wait(run, called), (
        *_hush(run, waiting),
        CancelTimer(prompt_timer(run, waiting)),
        Say(bridge),
        SetTimer(ring_timer(called), RING_TIMEOUT_MS + RING_MARGIN_MS),
    )


def _with_agent(run: Run, waiting: ForAgent, event: Bridged | BridgeFailed | Unbridged) -> Outcome:
    match event:
        case Bridged():
            talking = waiting.model_copy(update={"is_talking": True})
            return wait(run, talking), cancel_timers(run)
        case BridgeFailed():
            return (run, ()) if waiting.is_talking else _unreached(run, waiting)
        case Unbridged():
            return finish(run, "finished", *cancel_timers(run), LeaveQueue())


def _unreached(run: Run, waiting: ForAgent) -> Outcome:
    """The agent could not be reached: try another, unless the party has waited long enough."""
    quiet = CancelTimer(ring_timer(waiting))
    if waiting.is_overdue:
        return finish(run, "timeout", quiet, LeaveQueue(waiting.agent_id))
    again = waiting.model_copy(update={"agent_id": "", "leg_id": "", "last_leg_id": waiting.leg_id})
    return wait(run, again), (
        quiet,
        _join(again),
        SetTimer(prompt_timer(run, again), FIRST_PROMPT_MS),
    )


def _timer(run: Run, waiting: ForAgent, timer: str) -> Outcome:
    if timer == run.timer("queue"):
        return _overdue(run, waiting)
    if waiting.leg_id:
        if timer == ring_timer(waiting) and not waiting.is_talking:
            return _unreached(run, waiting)
        return run, ()
    if timer != prompt_timer(run, waiting) or not waiting.is_found:
        return run, ()
    return _next_prompt(run, waiting)


def _overdue(run: Run, waiting: ForAgent) -> Outcome:
    if waiting.is_talking:
        return run, ()
    if waiting.leg_id:  # an agent is being called: that comes to its end first
        return wait(run, waiting.model_copy(update={"is_overdue": True})), ()
    return finish(
        run, "timeout", *_hush(run, waiting), CancelTimer(prompt_timer(run, waiting)), LeaveQueue()
    )


def _next_prompt(run: Run, waiting: ForAgent) -> Outcome:
    """Begin the next prompt, and keep the place in the queue."""
    heard = waiting.model_copy(
        update={
            "prompt_count": waiting.prompt_count + 1,
            "is_asked": False,
            "is_hearing": False,
        }
    )
    id_, limit_ms = prompt_id(run, heard), PROMPT_PAUSE_MS
    effects: tuple[Effect, ...] = ()
    match _prompt_option(run, waiting):
        case Talk() as talk:
            voice = talk.voice_id or talk.gender
            effects = (Speak(id_, talk.text, talk.language, voice),)
            heard = heard.model_copy(update={"is_asked": True})
            limit_ms = LONGEST_PLAYBACK_MS
        case Play(stream_urls=(url, *_)):
            play = CallPlay(attempt_id=run.attempt_id, playback_id=id_, media_url=url)
            effects = (Say(play),)
            heard = heard.model_copy(update={"is_hearing": True})
            limit_ms = LONGEST_PLAYBACK_MS
        case Sleep(duration=duration):
            limit_ms = _pause_ms(heard, duration)
        case _:
            pass
    timer = SetTimer(prompt_timer(run, heard), limit_ms)
    return wait(run, heard), (*_hush(run, waiting), _join(waiting), timer, *effects)


def _prompt_option(run: Run, waiting: ForAgent) -> object:
    if not waiting.prompts:
        return None
    action = waiting.prompts[waiting.prompt_count % len(waiting.prompts)]
    try:
        filled = substitute(action.option, run.variables)
        return parse_option(action.model_copy(update={"option": filled}))
    except (UnknownAction, ValidationError):
        return None


def _prompt(run: Run, waiting: ForAgent, event: PromptMade | PlaybackFinished) -> Outcome:
    """The present prompt can be played, or has ended: the next one follows in time."""
    if waiting.leg_id or event.playback_id != prompt_id(run, waiting):
        return run, ()
    timer = prompt_timer(run, waiting)
    if isinstance(event, PromptMade):
        if not waiting.is_asked:
            return run, ()
        play = CallPlay(
            attempt_id=run.attempt_id, playback_id=event.playback_id, media_url=event.media_url
        )
        heard = wait(run, waiting.model_copy(update={"is_asked": False, "is_hearing": True}))
        return heard, (Say(play), SetTimer(timer, event.duration_ms + PROMPT_MARGIN_MS))
    if not (waiting.is_asked or waiting.is_hearing):
        return run, ()
    pause = PROMPT_PAUSE_MS if event.is_failed else _pause_ms(waiting, 0)
    silent = wait(run, waiting.model_copy(update={"is_asked": False, "is_hearing": False}))
    return silent, (SetTimer(timer, pause),)


def _pause_ms(waiting: ForAgent, least_ms: int) -> int:
    """Return the silence after the present prompt: a pause of its own after each round."""
    is_round = waiting.prompt_count % len(waiting.prompts) == 0
    return max(least_ms, PROMPT_PAUSE_MS) if is_round else least_ms


def _hush(run: Run, waiting: ForAgent) -> tuple[Effect, ...]:
    """Stop the present prompt."""
    if not waiting.is_hearing:
        return ()
    stop = CallStopPlayback(attempt_id=run.attempt_id, playback_id=prompt_id(run, waiting))
    return (Say(stop),)
