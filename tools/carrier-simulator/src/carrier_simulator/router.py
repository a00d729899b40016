"""What a request of ARI does: one table for both doors, the WebSocket's and HTTP's."""

import json
import re
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from carrier_simulator.channel import Order
from carrier_simulator.network import Network, Refused
from carrier_simulator.wire import encode

ENDPOINT = re.compile(
    r"PJSIP/(?:(?P<number>[^@/]+)@trunk"
    r"|trunk/sips?:(?P<user>[^@;]+)@(?P<host>[^;:]+)(?::\d+)?(?:;.*)?)$"
)
DEFAULT_RING_TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Response:
    """A status, a JSON text unless it is 204, and how long not to ask again."""

    status: int
    body: str = ""
    retry_after_s: int = 0


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the ids in its path, and its parameters from query and body together."""

    ids: list[str]
    parameters: dict[str, Any]

    def text(self, name: str, default: str = "") -> str:
        """Return a parameter as text."""
        value = self.parameters.get(name, default)
        return ",".join(map(str, value)) if isinstance(value, list) else str(value)

    def required(self, name: str) -> str:
        """Return a parameter that must be there.

        Raises:
            Refused: 400, it is missing.
        """
        if not (value := self.text(name)):
            raise Refused(400, f"Missing parameter {name}")
        return value

    def seconds(self, name: str, default: float) -> float:
        """Return a parameter as a number of seconds.

        Raises:
            Refused: 400, it is no number.
        """
        return _number(name, self.parameters.get(name, default))


class Router:
    """Carries requests out."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._started_at = datetime.now(UTC)
        self._routes: dict[str, Callable[[Request], Response | Awaitable[Response]]] = {
            "POST channels": self._originate,
            "GET channels": self._list_channels,
            "GET channels/*": self._show_channel,
            "DELETE channels/*": self._hang_up,
            "POST channels/*/play": self._play,
            "DELETE playbacks/*": self._stop_playback,
            "POST bridges": self._create_bridge,
            "GET bridges/*": self._show_bridge,
            "POST bridges/*/addChannel": self._add_channel,
            "POST bridges/*/removeChannel": self._remove_channel,
            "DELETE bridges/*": self._destroy_bridge,
            "POST applications/*/subscription": self._subscribe,
            "PUT applications/*/eventFilter": self._filter,
            "GET asterisk/info": self._show_asterisk,
        }

    def dispatch(
        self, method: str, path: str, query: dict[str, str], body: str | bytes
    ) -> Response | Awaitable[Response]:
        """Return the response, or an awaitable of it where the disk must be waited for."""
        resource, *rest = path.strip("/").split("/")
        ids: list[str] = []
        if rest and resource != "asterisk":
            ids, rest = rest[:1], ["*", *rest[1:]]
        route = self._routes.get(f"{method} {'/'.join([resource, *rest])}")
        if route is None:
            return refusal(Refused(404, "Resource not found"))
        try:
            return route(Request(ids, _parameters(query, body)))
        except Refused as refused:
            return refusal(refused)

    # ---- channels

    async def _originate(self, request: Request) -> Response:
        try:
            channel = await self._network.originate(_order(request))
        except Refused as refused:
            return refusal(refused)
        return _ok(channel.snapshot())

    def _list_channels(self, _: Request) -> Response:
        return _ok([channel.snapshot() for channel in self._network.channels.values()])

    def _show_channel(self, request: Request) -> Response:
        return _ok(self._network.channel(request.ids[0]).snapshot())

    def _hang_up(self, request: Request) -> Response:
        code = request.text("reason_code", "16")
        if not code.isdigit():
            raise Refused(400, "Invalid reason_code")
        self._network.hang_up(request.ids[0], int(code))
        return Response(204)

    # ---- playbacks

    def _play(self, request: Request) -> Response:
        media, playback_id = request.required("media"), request.text("playbackId")
        return _ok(self._network.play(request.ids[0], media, playback_id).snapshot(), 201)

    def _stop_playback(self, request: Request) -> Response:
        self._network.stop_playback(request.ids[0])
        return Response(204)

    # ---- bridges

    def _create_bridge(self, request: Request) -> Response:
        return _ok(self._network.create_bridge(request.text("bridgeId")).snapshot())

    def _show_bridge(self, request: Request) -> Response:
        return _ok(self._network.bridge(request.ids[0]).snapshot())

    def _add_channel(self, request: Request) -> Response:
        self._network.add_to_bridge(request.ids[0], request.required("channel").split(","))
        return Response(204)

    def _remove_channel(self, request: Request) -> Response:
        bridge = self._network.bridge(request.ids[0])
        for channel_id in request.required("channel").split(","):
            if channel_id not in bridge.channel_ids:
                raise Refused(422, "Channel not in this bridge")
            self._network.remove_from_bridge(self._network.channels[channel_id])
        return Response(204)

    def _destroy_bridge(self, request: Request) -> Response:
        self._network.destroy_bridge(request.ids[0])
        return Response(204)

    # ---- applications

    def _subscribe(self, request: Request) -> Response:
        name = self._application(request)
        sources = request.required("eventSource").split(",")
        channel_ids = [source.removeprefix("channel:") for source in sources]
        for source, channel_id in zip(sources, channel_ids, strict=True):
            if not source.startswith("channel:"):
                raise Refused(400, "Invalid parameter; event source URI schemes: channel")
            if channel_id not in self._network.channels:
                raise Refused(422, "Event source does not exist")
        for channel_id in channel_ids:
            listeners = self._network.channels[channel_id].listeners
            if name not in listeners:
                listeners.append(name)
        return _ok({"name": name, "channel_ids": channel_ids, "bridge_ids": []})

    def _filter(self, request: Request) -> Response:
        name = self._application(request)
        allowed = request.parameters.get("allowed", [])
        if not isinstance(allowed, list) or not all(isinstance(row, dict) for row in allowed):
            raise Refused(400, "Bad request")
        types = frozenset(str(row.get("type", "")) for row in allowed)
        self._network.applications.allow(name, types)
        return _ok({"name": name})

    def _application(self, request: Request) -> str:
        if not self._network.applications.is_registered(request.ids[0]):
            raise Refused(404, "Application not found")
        return request.ids[0]

    def _show_asterisk(self, _: Request) -> Response:
        return _ok(
            {
                "system": {"version": "carrier-simulator", "entity_id": "02:00:00:00:00:01"},
                "status": {
                    "startup_time": self._started_at.isoformat(timespec="milliseconds"),
                    "last_reload_time": self._started_at.isoformat(timespec="milliseconds"),
                    "channels": len(self._network.channels),
                    "bridges": len(self._network.bridges),
                    "playbacks": len(self._network.playbacks),
                    "originated": self._network.originated_count,
                },
            }
        )


def refusal(refused: Refused) -> Response:
    """Return the response that an error makes."""
    message = encode({"message": refused.message})
    return Response(refused.status, message, refused.retry_after_s)


def _ok(body: object, status: int = 200) -> Response:
    return Response(status, encode(body))


def _parameters(query: dict[str, str], body: str | bytes) -> dict[str, Any]:
    if not body:
        return dict(query)
    try:
        sent = json.loads(body)
    except ValueError:
        raise Refused(400, "Invalid JSON") from None
    if not isinstance(sent, dict):
        raise Refused(400, "Invalid JSON: an object is wanted")
    return sent | query


def _order(request: Request) -> Order:
    endpoint = request.required("endpoint")
    application = request.required("app")
    channel_id = request.text("channelId")
    if (match := ENDPOINT.match(endpoint)) is None:
        # Asterisk cannot tell an unknown endpoint from an id that is taken.
        if channel_id:
            raise Refused(409, "Channel with given unique ID already exists")
        raise Refused(500, "Allocation failed")
    variables = request.parameters.get("variables") or {}
    if not isinstance(variables, dict):
        raise Refused(400, "Invalid variables")
    timeout_s = request.seconds("timeout", DEFAULT_RING_TIMEOUT_S)
    absolute = variables.get("TIMEOUT(absolute)")
    return Order(
        channel_id=channel_id or str(uuid.uuid4()),
        number=match["number"] or match["user"],
        application=application,
        app_args=request.text("appArgs"),
        caller_id=request.text("callerId"),
        ring_timeout_s=timeout_s if timeout_s > 0 else None,
        absolute_timeout_s=_number("TIMEOUT(absolute)", absolute) if absolute else None,
        is_resolvable=not (match["host"] or "").endswith(".invalid"),
    )


def _number(name: str, value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        raise Refused(400, f"Invalid parameter {name}") from None
