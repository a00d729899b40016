"""What an event of ARI says, as a signal.

Only StasisStart is an answer: a channel that is Up and not yet in Stasis cannot be commanded.
Events that say nothing of the kind are no signal.
"""

from datetime import UTC, datetime
from typing import Any, Final

from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    PlaybackStarted,
    Ringing,
)

HEARD: Final = (
    "ApplicationReplaced",
    "ChannelDestroyed",
    "ChannelDtmfReceived",
    "ChannelStateChange",
    "PlaybackFinished",
    "PlaybackStarted",
    "RESTResponse",  # the filter holds for answers too
    "StasisStart",
)
"""The types of message that the gateway is asked for."""

REMEMBERED_ANSWERS = 20_000


class Interpreter:
    """Turns events into signals; remembers the last answers, so that each is told once."""

    def __init__(self) -> None:
        self._answered: dict[str, None] = {}

    def interpret(self, event: dict[str, Any]) -> CallSignal | None:
        """Return what the event says, or None."""
        match event:
            case {"type": "ChannelStateChange", "channel": {"id": str(id_), "state": "Ringing"}}:
                return Ringing(id_, instant_of(event))
            case {"type": "StasisStart", "channel": {"id": str(id_)}}:
                return self._answer(id_, instant_of(event))
            case {"type": "ChannelDestroyed", "channel": {"id": str(id_)}}:
                return self._end(id_, event)
            case {"type": "ChannelDtmfReceived", "channel": {"id": str(id_)}, "digit": str(digit)}:
                return DigitPressed(id_, instant_of(event), digit)
            case {"type": "PlaybackStarted" | "PlaybackFinished", "playback": dict(playback)}:
                return _of_playback(event, playback)
            case _:
                return None

    def _answer(self, channel_id: str, at: datetime) -> Answered | None:
        if channel_id in self._answered:
            return None
        self._answered[channel_id] = None
        if len(self._answered) > REMEMBERED_ANSWERS:
            del self._answered[next(iter(self._answered))]
        return Answered(channel_id, at)

    def _end(self, channel_id: str, event: dict[str, Any]) -> ChannelEnded:
        state = event["channel"].get("state")
        was_answered = None if state is None else state == "Up"
        return ChannelEnded(
            channel_id,
            instant_of(event),
            cause=int(event.get("cause", 0)),
            tech_cause=event.get("tech_cause") or None,
            was_answered=True if channel_id in self._answered else was_answered,
        )


def _of_playback(event: dict[str, Any], playback: dict[str, Any]) -> CallSignal | None:
    kind, _, channel_id = playback["target_uri"].partition(":")
    if kind != "channel":
        return None
    at, playback_id = instant_of(event), playback["id"]
    if event["type"] == "PlaybackStarted":
        return PlaybackStarted(channel_id, at, playback_id)
    return PlaybackFinished(channel_id, at, playback_id, playback.get("state") == "failed")


def instant_of(event: dict[str, Any]) -> datetime:
    """Return when the gateway says that an event happened, in UTC."""
    return datetime.fromisoformat(event["timestamp"]).astimezone(UTC)
