"""The life of a call: which signals move it, and what must then be told.

The table is total: late, repeated and reordered signals are cells of it. Signals of the party's
own channel move the call; those of an agent's leg move the leg, by a table of their own.
"""

from datetime import datetime
from enum import StrEnum

from contracts.base import Value
from contracts.call import Attempt


class CallStatus(StrEnum):
    """Where the call of an attempt is in its life."""

    DIALING = "dialing"
    RINGING = "ringing"
    UP = "up"
    ENDED = "ended"


class CallTrigger(StrEnum):
    """What can happen to a call."""

    RANG = "rang"
    ANSWERED = "answered"
    DIGIT = "digit"
    PLAYED = "played"
    ENDED = "ended"


class Fact(StrEnum):
    """What is told of it."""

    NOTHING = "nothing"
    RINGING = "ringing"
    ANSWERED = "answered"
    DIGIT_PRESSED = "digit_pressed"
    PLAYBACK_FINISHED = "playback_finished"
    HUNG_UP = "hung_up"


D, R, U, E = CallStatus.DIALING, CallStatus.RINGING, CallStatus.UP, CallStatus.ENDED

TRANSITIONS: dict[CallStatus, dict[CallTrigger, tuple[CallStatus, Fact]]] = {
    D: {
        CallTrigger.RANG: (R, Fact.RINGING),
        CallTrigger.ANSWERED: (U, Fact.ANSWERED),
        CallTrigger.DIGIT: (D, Fact.NOTHING),  # early media: nobody has been asked anything
        CallTrigger.PLAYED: (D, Fact.NOTHING),
        CallTrigger.ENDED: (E, Fact.HUNG_UP),
    },
    R: {
        CallTrigger.RANG: (R, Fact.NOTHING),  # each 180 rings again
        CallTrigger.ANSWERED: (U, Fact.ANSWERED),
        CallTrigger.DIGIT: (R, Fact.NOTHING),
        CallTrigger.PLAYED: (R, Fact.NOTHING),
        CallTrigger.ENDED: (E, Fact.HUNG_UP),
    },
    U: {
        CallTrigger.RANG: (U, Fact.NOTHING),  # overtaken by the answer
        CallTrigger.ANSWERED: (U, Fact.NOTHING),  # heard twice: the flow runs already
        CallTrigger.DIGIT: (U, Fact.DIGIT_PRESSED),
        CallTrigger.PLAYED: (U, Fact.PLAYBACK_FINISHED),
        CallTrigger.ENDED: (E, Fact.HUNG_UP),
    },
    E: {
        CallTrigger.RANG: (E, Fact.NOTHING),
        CallTrigger.ANSWERED: (E, Fact.NOTHING),  # the end was heard first: there is no one there
        CallTrigger.DIGIT: (E, Fact.NOTHING),
        CallTrigger.PLAYED: (E, Fact.NOTHING),
        CallTrigger.ENDED: (E, Fact.NOTHING),
    },
}


class LegStatus(StrEnum):
    """Where the channel of an agent is."""

    DIALING = "dialing"
    BRIDGED = "bridged"
    GONE = "gone"


class LegTrigger(StrEnum):
    """What can happen to it."""

    ANSWERED = "answered"
    ENDED = "ended"


class LegFact(StrEnum):
    """What is told of it."""

    NOTHING = "nothing"
    BRIDGED = "bridged"
    BRIDGE_FAILED = "bridge_failed"
    UNBRIDGED = "unbridged"


LEG_TRANSITIONS: dict[LegStatus, dict[LegTrigger, tuple[LegStatus, LegFact]]] = {
    LegStatus.DIALING: {
        LegTrigger.ANSWERED: (LegStatus.BRIDGED, LegFact.BRIDGED),
        LegTrigger.ENDED: (LegStatus.GONE, LegFact.BRIDGE_FAILED),
    },
    LegStatus.BRIDGED: {
        LegTrigger.ANSWERED: (LegStatus.BRIDGED, LegFact.NOTHING),
        LegTrigger.ENDED: (LegStatus.GONE, LegFact.UNBRIDGED),
    },
    LegStatus.GONE: {
        LegTrigger.ANSWERED: (LegStatus.GONE, LegFact.NOTHING),
        LegTrigger.ENDED: (LegStatus.GONE, LegFact.NOTHING),
    },
}


class Leg(Value):
    """The channel of an agent who was called for this party."""

    leg_id: str
    agent_id: str
    status: LegStatus = LegStatus.DIALING


class Call(Value):
    """An attempt and where its call is: the record of an attempt in Redis."""

    attempt: Attempt
    status: CallStatus = CallStatus.DIALING
    answered_at: datetime | None = None
    leg: Leg | None = None
    adopted_by: str = ""
    gateway_run: str = ""
    """Which run of the gateway was there when it was to be dialed; "": nobody knows."""
    is_doubtful: bool = False
    """Its former holder had the permit to originate it, and was never heard of again."""

    @property
    def holder(self) -> str:
        """The worker that answers for it: who placed it, or who has adopted it since."""
        return self.adopted_by or self.attempt.worker

    @property
    def is_undialed(self) -> bool:
        """Whether, if the gateway has never seen it, it may be dialed and rings once for all."""
        return self.status is CallStatus.DIALING and not self.is_doubtful

    @property
    def attempt_id(self) -> str:
        """Id of the attempt, and of its channel."""
        return self.attempt.attempt_id

    @property
    def campaign_id(self) -> str:
        """Id of the campaign it is for."""
        return self.attempt.campaign_id


def advance(call: Call, trigger: CallTrigger, at: datetime) -> tuple[Call, Fact]:
    """Return the call after a trigger and what must be told; nothing, if it came late or twice."""
    status, fact = TRANSITIONS[call.status][trigger]
    if fact is Fact.NOTHING:
        return call, fact
    answered_at = at if fact is Fact.ANSWERED else call.answered_at
    return call.model_copy(update={"status": status, "answered_at": answered_at}), fact


def advance_leg(call: Call, leg_id: str, trigger: LegTrigger) -> tuple[Call, LegFact]:
    """Return the call after something happened to an agent's leg, and what must be told."""
    leg = call.leg
    if leg is None or leg.leg_id != leg_id or call.status is CallStatus.ENDED:
        return call, LegFact.NOTHING
    status, fact = LEG_TRANSITIONS[leg.status][trigger]
    if fact is LegFact.NOTHING:
        return call, fact
    return call.model_copy(update={"leg": leg.model_copy(update={"status": status})}), fact
