"""What the dialer needs from outside: a gateway to the telephone network."""

import math
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Protocol


class OriginationRefused(Exception):
    """A definite no: nothing was dialed."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"{status}: {why}")
        self.status = status
        self.why = why


class GatewayPaused(OriginationRefused):
    """Nothing was dialed, and the gateway asks not to be asked for anything for a while."""

    def __init__(self, status: int, why: str, pause: timedelta) -> None:
        super().__init__(status, why)
        self.pause = pause


class OriginationUnknown(Exception):
    """It was asked for, and no answer was heard: it may or may not have been dialed."""


class GatewayUnavailable(Exception):
    """There is no connection: nothing was sent."""


class ChannelGone(Exception):
    """The channel does not exist any more, or cannot be commanded any more, or not yet."""


class CommandRefused(Exception):
    """The gateway will not do it, and would not if it were asked again."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(f"{status}: {why}")
        self.status = status
        self.why = why


@dataclass(frozen=True, slots=True)
class Origination:
    """A call to place; the channel id is ours, and is the attempt's."""

    channel_id: str
    address: str
    kind: str
    caller_id: str | None
    ring_timeout: timedelta
    absolute_timeout: timedelta
    not_after: float = math.inf
    """The event loop's time after which it must not be sent any more."""


class Fate(StrEnum):
    """What a look-up found."""

    LIVE = "live"
    ENDED = "ended"
    NEVER_SEEN = "never_seen"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Sighting:
    """What the gateway knows of a channel.

    Attributes:
        fate: LIVE; ENDED by its call records; NEVER_SEEN if it positively never was; else UNKNOWN.
        state: Of a live one: dialing, ringing or up.
        was_answered: Of an ended one.
        billsec: Seconds an ended one was answered.
        disposition: Of an ended one, as the call record has it.
        gateway_run: Of one that never was: whoever says so knows of no time before.
    """

    fate: Fate
    state: str = ""
    was_answered: bool = False
    billsec: float = 0.0
    disposition: str = ""
    gateway_run: str = ""


class Gateway(Protocol):
    """The telephone network, as the dialer commands it.

    Each command raises GatewayUnavailable without a connection. All but `originate` also do so
    when no answer was heard: they may be repeated. What cannot be done at all is CommandRefused.
    """

    @property
    def run_id(self) -> str:
        """Tells the gateway's runs apart: one that was started anew has forgotten its channels."""

    async def originate(self, origination: Origination) -> None:
        """Have a channel call an address.

        A channel of this id that lives already is the same call: no error.

        Raises:
            OriginationRefused: Nothing was dialed.
            GatewayPaused: The same; nothing is to be originated before the pause is over.
            OriginationUnknown: It may or may not have been dialed: look it up.
        """

    async def play(self, channel_id: str, media: str, playback_id: str) -> None:
        """Play media on an answered channel, after what plays there already.

        Raises:
            ChannelGone: There is no such channel, or it is not answered.
        """

    async def stop_playback(self, playback_id: str) -> None:
        """End a playback; one that has ended is no error."""

    async def connect(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None:
        """Let answered channels hear each other; the bridge is made if it is not there.

        Raises:
            ChannelGone: One of them does not exist, or is not answered.
        """

    async def hang_up(self, channel_id: str, cause: int = 16) -> None:
        """End a channel with a Q.850 cause; one that is gone is no error."""

    @property
    def stood_in_for(self) -> frozenset[str]:
        """The workers whose calls are heard in their place."""

    def stand_in(self, worker: str) -> None:
        """Hear the calls of a worker that is no more, as it would."""

    def stand_down(self, worker: str) -> None:
        """Hear them no more."""

    async def lookup(self, channel_id: str) -> Sighting:
        """Find out what the gateway knows of a channel; signals of a live one come from now on."""
