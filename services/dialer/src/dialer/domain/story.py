"""What each signal makes of a call: the next call, the facts to tell, the effects to carry out."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from contracts.actions import Action
from contracts.call import (
    CallAnswered,
    CallBridged,
    CallBridgeFailed,
    CallDigitPressed,
    CallFact,
    CallHungUp,
    CallPlaybackFinished,
    CallRinging,
    CallUnbridged,
    Outcome,
)

from dialer.domain.calls import (
    Call,
    CallStatus,
    CallTrigger,
    Fact,
    LegFact,
    LegStatus,
    LegTrigger,
    advance,
    advance_leg,
)
from dialer.domain.causes import outcome_of
from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    PlaybackStarted,
    Ringing,
)


@dataclass(frozen=True, slots=True)
class Script:
    """What a call that is answered will hear: the actions and variables of its flow."""

    actions: tuple[Action, ...]
    variables: dict[str, str]


@dataclass(frozen=True, slots=True)
class HangUp:
    """End a channel that has no business any more."""

    channel_id: str


@dataclass(frozen=True, slots=True)
class Connect:
    """Let the party and the agent hear each other."""

    leg_id: str


Effect = HangUp | Connect


@dataclass(frozen=True, slots=True)
class Decision:
    """What a signal led to; `outcome` is set when the call has ended."""

    call: Call
    facts: tuple[CallFact, ...] = ()
    effects: tuple[Effect, ...] = ()
    outcome: Outcome | None = None


def decide(call: Call, signal: CallSignal, script: Callable[[], Script]) -> Decision:
    """Return what a signal of the party's channel or of the agent's leg leads to."""
    if signal.channel_id != call.attempt.attempt_id:
        return _decide_leg(call, signal)
    match signal:
        case Ringing():
            decision = _told(call, CallTrigger.RANG, signal.at, _ringing)
        case Answered():
            decision = _told(call, CallTrigger.ANSWERED, signal.at, _answered(script))
        case DigitPressed(digit=digit):
            decision = _told(call, CallTrigger.DIGIT, signal.at, _digit(digit))
        case PlaybackStarted():
            decision = Decision(call)
        case PlaybackFinished():
            decision = _told(call, CallTrigger.PLAYED, signal.at, _played(signal))
        case ChannelEnded():
            decision = _ended(call, signal)
    return decision


Telling = Callable[[Call, datetime], CallFact]


def _told(call: Call, trigger: CallTrigger, at: datetime, tell: Telling) -> Decision:
    after, fact = advance(call, trigger, at)
    return Decision(call) if fact is Fact.NOTHING else Decision(after, (tell(after, at),))


def _ringing(call: Call, at: datetime) -> CallFact:
    return CallRinging(attempt_id=call.attempt_id, campaign_id=call.campaign_id, at=at)


def _answered(script: Callable[[], Script]) -> Telling:
    def tell(call: Call, at: datetime) -> CallFact:
        said = script()
        return CallAnswered(
            attempt_id=call.attempt_id,
            campaign_id=call.campaign_id,
            at=at,
            actions=said.actions,
            variables=said.variables,
        )

    return tell


def _digit(digit: str) -> Telling:
    return lambda call, at: CallDigitPressed(
        attempt_id=call.attempt_id, campaign_id=call.campaign_id, at=at, digit=digit
    )


def _played(signal: PlaybackFinished) -> Telling:
    return lambda call, at: CallPlaybackFinished(
        attempt_id=call.attempt_id,
        campaign_id=call.campaign_id,
        at=at,
        playback_id=signal.playback_id,
        is_failed=signal.is_failed,
    )


def _ended(call: Call, signal: ChannelEnded) -> Decision:
    after, fact = advance(call, CallTrigger.ENDED, signal.at)
    if fact is Fact.NOTHING:
        return Decision(call)
    was_answered = call.answered_at is not None or bool(signal.was_answered)
    outcome = outcome_of(
        hangup_cause=signal.cause, tech_cause=signal.tech_cause, was_answered=was_answered
    )
    told = CallHungUp(
        attempt_id=call.attempt_id,
        campaign_id=call.campaign_id,
        at=signal.at,
        hangup_cause=signal.cause,
        tech_cause=signal.tech_cause,
        was_answered=signal.was_answered,
    )
    is_leg_alive = call.leg is not None and call.leg.status is not LegStatus.GONE
    effects = (HangUp(call.leg.leg_id),) if call.leg and is_leg_alive else ()
    return Decision(after, (told,), effects, outcome)


def _decide_leg(call: Call, signal: CallSignal) -> Decision:
    match signal:
        case Answered():
            if call.status is CallStatus.ENDED:
                return Decision(call, effects=(HangUp(signal.channel_id),))
            after, fact = advance_leg(call, signal.channel_id, LegTrigger.ANSWERED)
            return _leg_told(after, fact, signal.at, (Connect(signal.channel_id),))
        case ChannelEnded():
            after, fact = advance_leg(call, signal.channel_id, LegTrigger.ENDED)
            return _leg_told(after, fact, signal.at, ())
        case Ringing() | DigitPressed() | PlaybackStarted() | PlaybackFinished():
            return Decision(call)


LEG_FACTS: dict[LegFact, type[CallBridged | CallBridgeFailed | CallUnbridged]] = {
    LegFact.BRIDGED: CallBridged,
    LegFact.BRIDGE_FAILED: CallBridgeFailed,
    LegFact.UNBRIDGED: CallUnbridged,
}


def _leg_told(call: Call, fact: LegFact, at: datetime, effects: tuple[Effect, ...]) -> Decision:
    if fact is LegFact.NOTHING or call.leg is None:
        return Decision(call)
    told = LEG_FACTS[fact](
        attempt_id=call.attempt_id,
        campaign_id=call.campaign_id,
        at=at,
        agent_id=call.leg.agent_id,
        leg_id=call.leg.leg_id,
    )
    return Decision(call, (told,), effects)
