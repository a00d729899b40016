"""What a run hears: of its call, and from elsewhere as the log keeps it, and back again."""

from typing import Any

from contracts.call import (
    CallBridged,
    CallBridgeFailed,
    CallDigitPressed,
    CallHungUp,
    CallPlaybackFinished,
    CallUnbridged,
)
from contracts.flow import AgentHeard, FlowHeard, Heard, PromptHeard, QueueHeard, TimerHeard

from flow_runner.domain.events import (
    AgentAssigned,
    Bridged,
    BridgeFailed,
    DigitPressed,
    Event,
    HungUp,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.runs import Run

FromElsewhere = TimerFired | PromptMade | QueueFound | QueueMissing | AgentAssigned


def heard_of(event: Event) -> Heard | None:
    """Return what the log must keep of an event; None: a message of the call tells it."""
    return _kept(event) if isinstance(event, FromElsewhere) else None


def answer_of(answer: PromptMade | PlaybackFinished | QueueFound | QueueMissing) -> Heard:
    """Return what the log must keep of the answer to a question; a failed playback was a text."""
    if isinstance(answer, PlaybackFinished):
        return PromptHeard(playback_id=answer.playback_id, media_url=None)
    return _kept(answer)


def _kept(event: FromElsewhere) -> Heard:
    match event:
        case TimerFired(timer=timer):
            return TimerHeard(timer=timer)
        case PromptMade(playback_id=id_, media_url=url, duration_ms=duration_ms):
            return PromptHeard(playback_id=id_, media_url=url, duration_ms=duration_ms)
        case QueueFound():
            return QueueHeard(
                queue_id=event.queue_id,
                is_found=True,
                name=event.name,
                detail=event.detail,
                wait_limit_ms=event.wait_limit_ms,
                prompts=event.prompts,
            )
        case QueueMissing(queue_id=queue_id):
            return QueueHeard(queue_id=queue_id, is_found=False)
        case AgentAssigned(agent_id=agent_id, leg_id=leg_id, address=address):
            return AgentHeard(agent_id=agent_id, leg_id=leg_id, address=address)


def event_of(heard: Heard) -> Event:
    """Return the event that the log has kept."""
    match heard:
        case TimerHeard(timer=timer):
            return TimerFired(timer)
        case PromptHeard(playback_id=id_, media_url=url):
            if url is None:
                return PlaybackFinished(id_, is_failed=True)
            return PromptMade(id_, url, heard.duration_ms)
        case QueueHeard():
            if not heard.is_found:
                return QueueMissing(heard.queue_id)
            return QueueFound(
                queue_id=heard.queue_id,
                name=heard.name,
                detail=heard.detail,
                wait_limit_ms=heard.wait_limit_ms,
                prompts=heard.prompts,
            )
        case AgentHeard(agent_id=agent_id, leg_id=leg_id, address=address):
            return AgentAssigned(agent_id, leg_id, address)


def told(run: Run, heard: Heard) -> FlowHeard:
    """Return the message that keeps what a run hears now."""
    return FlowHeard(
        attempt_id=run.attempt_id, campaign_id=run.campaign_id, seen=run.seen, heard=heard
    )


def event_of_call(body: Any) -> Event | None:
    """Return what a fact of a call means for its flow run, if anything."""
    match body:
        case CallPlaybackFinished(playback_id=playback_id, is_failed=is_failed):
            event: Event | None = PlaybackFinished(playback_id, is_failed)
        case CallHungUp():
            event = HungUp()
        case CallDigitPressed(digit=digit):
            event = DigitPressed(digit)
        case CallBridged(leg_id=leg_id):
            event = Bridged(leg_id)
        case CallBridgeFailed(leg_id=leg_id):
            event = BridgeFailed(leg_id)
        case CallUnbridged(leg_id=leg_id):
            event = Unbridged(leg_id)
        case _:
            event = None
    return event
