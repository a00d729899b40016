"""Who listens: applications, their sockets, and how events get to them.

As with Asterisk, an event for an application without a socket is lost, and a second socket for the
same name silently takes over from the first, which is told so once.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from carrier_simulator import wire
from carrier_simulator.behaviours import Delivery

Send = Callable[[str], None]
"""Puts one text message on a socket."""

LATE_S = 3.0
HELD_S = 0.5
"""Seconds after which a reordered event goes out although no second one has overtaken it."""


class Applications:
    """The applications that have a socket now."""

    def __init__(self, *, asterisk_id: str) -> None:
        self._asterisk_id = asterisk_id
        self._sockets: dict[str, Send] = {}
        self._allowed: dict[str, frozenset[str]] = {}

    def register(self, name: str, send: Send) -> None:
        """Give an application a socket; the one it had is told that it was replaced."""
        before = self._sockets.get(name)
        if before is not None and before is not send:
            self.tell(name, "ApplicationReplaced", {})
        self._sockets[name] = send

    def leave(self, send: Send) -> None:
        """Forget a socket that is gone."""
        for name in [name for name, socket in self._sockets.items() if socket is send]:
            del self._sockets[name]
            self._allowed.pop(name, None)

    def is_registered(self, name: str) -> bool:
        """Whether somebody listens."""
        return name in self._sockets

    def allow(self, name: str, types: frozenset[str]) -> None:
        """Let only events of these types through; none named lets all through."""
        self._allowed[name] = types

    def wants(self, name: str, type_: str) -> bool:
        """Whether an event of this type would be sent."""
        return name in self._sockets and (
            not (allowed := self._allowed.get(name)) or type_ in allowed
        )

    def tell(self, name: str, type_: str, content: dict[str, Any]) -> None:
        """Send an event, or lose it."""
        if self.wants(name, type_):
            self.send(name, self.encode(name, type_, content))

    def encode(self, name: str, type_: str, content: dict[str, Any]) -> str:
        """Return an event as text, stamped with the present instant."""
        event = {
            "type": type_,
            "timestamp": wire.instant(datetime.now(UTC)),
            **content,
            "asterisk_id": self._asterisk_id,
            "application": name,
        }
        return wire.encode(event)

    def send(self, name: str, event: str) -> None:
        """Send an encoded event to whoever listens at this moment."""
        send = self._sockets.get(name)
        if send is not None:
            send(event)


class Courier:
    """Delivers the events of one channel in the manner that its number chose."""

    def __init__(self, applications: Applications, delivery: Delivery, *, speed: float) -> None:
        self._applications = applications
        self._delivery = delivery
        self._speed = speed
        self._held: tuple[str, str] | None = None
        self._timer: asyncio.TimerHandle | None = None

    def carry(self, name: str, type_: str, content: dict[str, Any]) -> None:
        """Deliver an event, or see to it that it is delivered later."""
        if self._delivery is Delivery.NEVER or not self._applications.wants(name, type_):
            return
        event = self._applications.encode(name, type_, content)
        loop = asyncio.get_running_loop()
        match self._delivery:
            case Delivery.LATE:
                loop.call_later(LATE_S / self._speed, self._applications.send, name, event)
            case Delivery.DOUBLED:
                self._applications.send(name, event)
                self._applications.send(name, event)
            case Delivery.REORDERED if self._held is None:
                self._held = (name, event)
                self._timer = loop.call_later(HELD_S / self._speed, self._let_go)
            case _:
                self._applications.send(name, event)
                self._let_go()

    def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held is not None:
            (name, event), self._held = self._held, None
            self._applications.send(name, event)
