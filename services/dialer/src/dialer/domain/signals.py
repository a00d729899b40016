"""Raw facts from the gateway, before interpretation. `at` is the gateway's time, aware, UTC."""

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Ringing:
    """The far end rings."""

    channel_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Answered:
    """The far end has answered and is ours to command: once per channel."""

    channel_id: str
    at: datetime


@dataclass(frozen=True, slots=True)
class DigitPressed:
    """A key was pressed: 0-9, A-D, * or #."""

    channel_id: str
    at: datetime
    digit: str


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """A playback has begun to be heard."""

    channel_id: str
    at: datetime
    playback_id: str


@dataclass(frozen=True, slots=True)
class PlaybackFinished:
    """A playback has ended, was stopped, or could not be played."""

    channel_id: str
    at: datetime
    playback_id: str
    is_failed: bool


@dataclass(frozen=True, slots=True)
class ChannelEnded:
    """The channel is gone: Q.850 cause, SIP status if one was given, answered if it is known."""

    channel_id: str
    at: datetime
    cause: int
    tech_cause: int | None
    was_answered: bool | None


CallSignal = Ringing | Answered | DigitPressed | PlaybackStarted | PlaybackFinished | ChannelEnded
