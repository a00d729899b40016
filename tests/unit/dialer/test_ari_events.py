"""What the dialer hears in the events of ARI."""

from datetime import UTC, datetime
from typing import Any

import pytest
from dialer.adapters import ari_events
from dialer.adapters.ari_events import Interpreter
from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    PlaybackStarted,
    Ringing,
)

AT = datetime(2030, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def an_event(type_: str, *, state: str = "Up", **content: Any) -> dict[str, Any]:
    channel = {"id": "call", "state": state}
    return {
        "type": type_,
        "timestamp": "2030-01-01T14:00:00.250+0200",
        "channel": channel,
    } | content


def a_playback(type_: str, *, state: str, target: str = "channel:call") -> dict[str, Any]:
    return an_event(type_, playback={"id": "play", "target_uri": target, "state": state})


@pytest.mark.parametrize(
    ("event", "signal"),
    [
        (an_event("ChannelStateChange", state="Ringing"), Ringing("call", AT)),
        (an_event("ChannelStateChange"), None),
        (an_event("StasisStart"), Answered("call", AT)),
        (an_event("ChannelDtmfReceived", digit="#"), DigitPressed("call", AT, "#")),
        (a_playback("PlaybackStarted", state="playing"), PlaybackStarted("call", AT, "play")),
        (a_playback("PlaybackFinished", state="done"), PlaybackFinished("call", AT, "play", False)),
        (
            a_playback("PlaybackFinished", state="failed"),
            PlaybackFinished("call", AT, "play", True),
        ),
        (a_playback("PlaybackFinished", state="done", target="bridge:b"), None),
        (
            an_event("ChannelDestroyed", state="Ringing", cause=17, tech_cause=486),
            ChannelEnded("call", AT, 17, 486, False),
        ),
        (an_event("ChannelDestroyed", cause=0), ChannelEnded("call", AT, 0, None, True)),
        (an_event("ChannelHangupRequest"), None),
        ({"type": "Dial", "timestamp": "2030-01-01T12:00:00.250+0000"}, None),
    ],
)  # fmt: skip
def test_an_event_is_one_signal_or_none(event: dict[str, Any], signal: CallSignal | None) -> None:
    assert Interpreter().interpret(event) == signal


def test_an_answer_is_told_once() -> None:
    interpreter = Interpreter()
    assert interpreter.interpret(an_event("StasisStart")) is not None
    assert interpreter.interpret(an_event("StasisStart")) is None


def test_an_answer_that_was_heard_is_remembered_at_the_end() -> None:
    interpreter = Interpreter()
    interpreter.interpret(an_event("StasisStart"))
    ended = interpreter.interpret(an_event("ChannelDestroyed", state="Down", cause=16))
    assert ended == ChannelEnded("call", AT, 16, None, True)


def test_without_a_state_nobody_knows_whether_it_was_answered() -> None:
    event = an_event("ChannelDestroyed", cause=16)
    del event["channel"]["state"]
    assert Interpreter().interpret(event) == ChannelEnded("call", AT, 16, None, None)


def test_only_so_many_answers_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ari_events, "REMEMBERED_ANSWERS", 2)
    interpreter = Interpreter()
    for name in "abc":
        interpreter.interpret(an_event("StasisStart", channel={"id": name, "state": "Up"}))
    again = an_event("StasisStart", channel={"id": "a", "state": "Up"})
    assert interpreter.interpret(again) == Answered("a", AT)
