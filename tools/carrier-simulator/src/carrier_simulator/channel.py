"""One channel: from the call to its end, as its behaviour has it, told in ARI's events.

The order of events is Asterisk's: Dial, Dial RINGING and ChannelStateChange, ChannelStateChange Up
and Dial ANSWER, StasisStart, playbacks, ChannelHangupRequest, StasisEnd, ChannelDestroyed.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Protocol

from carrier_simulator.applications import Applications, Courier
from carrier_simulator.behaviours import ANSWER, Behaviour, Delivery, Timing
from carrier_simulator.causes import (
    ABSOLUTE_TIMEOUT,
    CAUSE_TEXT,
    ENDING_BY_SIP_STATUS,
    FAR_END_HUNG_UP,
    NO_SIP_REPLY,
    NO_SIP_REPLY_S,
    NOBODY_LISTENS,
    RING_TIMEOUT,
    UNRESOLVABLE,
    Ending,
)
from carrier_simulator.wire import instant


@dataclass(frozen=True, slots=True)
class Order:
    """What an origination asked for; times in simulated seconds, None for no limit."""

    channel_id: str
    number: str
    application: str
    app_args: str
    caller_id: str
    ring_timeout_s: float | None
    absolute_timeout_s: float | None
    is_resolvable: bool = True


class Ears(Protocol):
    """What plays on a channel, as far as the channel must know."""

    def hush(self) -> None:
        """Stop all that plays or waits to play; the channel ends."""


class Channel:
    """A channel and the party at its far end."""

    def __init__(
        self,
        order: Order,
        behaviour: Behaviour,
        *,
        serial: int,
        applications: Applications,
        speed: float,
        on_end: Callable[["Channel", Ending], None],
    ) -> None:
        self.order = order
        self.behaviour = behaviour
        self.name = f"PJSIP/trunk-{serial:08x}"
        self.state = "Down"
        self.started_at = datetime.now(UTC)
        self.answered_at: datetime | None = None
        self.is_in_stasis = False
        self.bridge_id: str | None = None
        self.listeners: list[str] = [order.application]
        self.ears: Ears | None = None
        self._speed = speed
        self._on_end = on_end
        self._applications = applications
        self._courier = Courier(applications, behaviour.delivery, speed=speed)
        self._timers: list[asyncio.TimerHandle] = []
        self._ring_timer: asyncio.TimerHandle | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._has_ended = False

    @property
    def id(self) -> str:
        """Its id, chosen by who asked for it."""
        return self.order.channel_id

    def snapshot(self) -> dict[str, Any]:
        """Return the channel as ARI shows it."""
        return {
            "id": self.id,
            "name": self.name,
            "state": self.state,
            "protocol_id": self.id,
            "caller": {"name": "", "number": self.order.number},
            "connected": {"name": "", "number": self.order.caller_id},
            "accountcode": "",
            "dialplan": {
                "context": "from-trunk",
                "exten": "s",
                "priority": 1,
                "app_name": "Stasis" if self.is_in_stasis else "AppDial2",
                "app_data": self.order.application if self.is_in_stasis else "(Outgoing Line)",
            },
            "creationtime": instant(self.started_at),
            "language": "en",
        }

    def tell(self, type_: str, *, showing: str = "channel", **content: Any) -> None:
        """Tell all who listen; the channel itself is shown under a name, if one is given."""
        for name in self.listeners:
            if self._applications.wants(name, type_):
                if showing and showing not in content:
                    content[showing] = self.snapshot()
                self._courier.carry(name, type_, content)

    def after(self, seconds: float, act: Callable[[], None]) -> None:
        """Do something after simulated seconds, unless the channel ends first."""
        self._timers.append(self._later(seconds, act))

    # ---- the call

    def dial(self) -> None:
        """Call the far end: from here on the behaviour decides."""
        if self._has_ended:  # hung up before it was dialed
            return
        self._dialed("")
        does_call_back = self.behaviour.delivery is not Delivery.NEVER
        if self.order.ring_timeout_s is not None and does_call_back:
            self._ring_timer = self._later(
                self.order.ring_timeout_s, lambda: self.end(RING_TIMEOUT)
            )
        if self.order.absolute_timeout_s is not None:
            self.after(self.order.absolute_timeout_s, lambda: self.end(ABSOLUTE_TIMEOUT))
        if not self.order.is_resolvable:
            self.end(UNRESOLVABLE)
        elif not self.behaviour.is_reached:
            self.after(NO_SIP_REPLY_S, lambda: self.end(NO_SIP_REPLY))
        else:
            self._ring()

    def _ring(self) -> None:
        if self.behaviour.rings:
            self.state = "Ringing"
            self._dialed("RINGING")
            self._state_changed()
        elif self.behaviour.is_early:
            self._dialed("PROGRESS")
        if self.behaviour.final is None:
            return
        if self.behaviour.ring_s:
            self.after(self.behaviour.ring_s, self._finally)
        else:
            self._finally()

    def _finally(self) -> None:
        status = self.behaviour.final
        if status == ANSWER:
            self._answer()
        elif status is not None:
            self.end(ENDING_BY_SIP_STATUS[status])

    def _answer(self) -> None:
        if self._ring_timer is not None:
            self._ring_timer.cancel()
            self._ring_timer = None
        self.state = "Up"
        self.answered_at = datetime.now(UTC)
        self._state_changed()
        self._dialed("ANSWER")
        if not self._applications.is_registered(self.order.application):
            self.end(NOBODY_LISTENS)
            return
        self.is_in_stasis = True
        self.tell(
            "StasisStart",
            args=self.order.app_args.split(",") if self.order.app_args else [],
        )
        self.notice_silence()
        if self.behaviour.digit and self.behaviour.digit_at is Timing.AFTER_ANSWER:
            self.after(1.0, self._press)
        if self.behaviour.talk_s is not None:
            self.after(self.behaviour.talk_s, lambda: self.end(FAR_END_HUNG_UP))

    # ---- the party at the far end

    def notice_sound(self) -> None:
        """The party hears something: its patience starts anew when that stops."""
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def notice_silence(self) -> None:
        """The party hears nothing from now on."""
        self.notice_sound()
        is_patient = self.behaviour.patience_s is None or self.bridge_id is not None
        if not is_patient and not self._has_ended:
            self._patience = self._later(
                self.behaviour.patience_s or 0.0, lambda: self.end(FAR_END_HUNG_UP)
            )

    def notice_end_of_playback(self) -> None:
        """The party has heard one playback to its end."""
        if self.behaviour.digit and self.behaviour.digit_at is Timing.AFTER_PLAYBACK:
            self.after(1.0, self._press)

    def _press(self) -> None:
        self.tell(
            "ChannelDtmfReceived",
            digit=self.behaviour.digit,
            duration_ms=100,
        )

    # ---- the end

    def end(self, ending: Ending) -> None:
        """End the channel; nothing of it remains but its call record."""
        if self._has_ended:
            return
        self._has_ended = True
        self._cancel_timers()
        causes: dict[str, Any] = {"cause": ending.cause}
        if ending.tech_cause is not None:
            causes["tech_cause"] = ending.tech_cause
        if ending.dial_status and self.answered_at is None:
            self._dialed(ending.dial_status)
        if ending.is_requested:
            self.tell("ChannelHangupRequest", **causes)
        if self.ears is not None:
            self.ears.hush()
        if self.is_in_stasis:
            self.is_in_stasis = False
            self.tell("StasisEnd")
        self._on_end(self, ending)
        self.tell(
            "ChannelDestroyed",
            **causes,
            cause_txt=CAUSE_TEXT.get(ending.cause, ""),
        )

    def _cancel_timers(self) -> None:
        self.notice_sound()
        if self._ring_timer is not None:
            self._ring_timer.cancel()
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    # ---- events

    def _dialed(self, status: str) -> None:
        self.tell(
            "Dial",
            dialstatus=status,
            forward="",
            dialstring=f"{self.order.number}@trunk",
            showing="peer",
        )

    def _state_changed(self) -> None:
        self.tell("ChannelStateChange")

    def _later(self, seconds: float, act: Callable[[], None]) -> asyncio.TimerHandle:
        return asyncio.get_running_loop().call_later(seconds / self._speed, act)
