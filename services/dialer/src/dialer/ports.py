"""What the dialer needs from outside: a gateway to the telephone network."""

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


class OriginationUnknown(Exception):
    """It was asked for, and no answer was heard: it may or may not have been dialed."""


class GatewayUnavailable(Exception):
    """There is no connection: nothing was sent."""


class ChannelGone(Exception):
    """The channel does not exist any more."""


@dataclass(frozen=True, slots=True)
class Origination:
    """A call to place; the channel id is ours, and is the attempt's."""

    channel_id: str
    address: str
    kind: str
    caller_id: str | None
    ring_timeout: timedelta
    absolute_timeout: timedelta


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
    """

    fate: Fate
    state: str = ""
    was_answered: bool = False
    billsec: float = 0.0
    disposition: str = ""


class Gateway(Protocol):
    """The telephone network, as the dialer commands it."""

    async def originate(self, origination: Origination) -> None: ...

    async def play(self, channel_id: str, media: str, playback_id: str) -> None: ...

    async def stop_playback(self, playback_id: str) -> None: ...

    async def connect(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None: ...

    async def hang_up(self, channel_id: str, cause: int = 16) -> None: ...

    async def lookup(self, channel_id: str) -> Sighting: ...
