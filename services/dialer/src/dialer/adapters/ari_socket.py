"""The one connection to ARI: events come in, requests go out and are answered over it.

It reconnects for ever. Asterisk lets a second socket of the same application take over silently:
the first is told ApplicationReplaced and hears nothing more. That counts as a lost connection, and
it is taken back only after a pause that grows, so that two of one name do not fight at full speed.
"""

import asyncio
import base64
import contextlib
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import structlog
from chassis.failpoints import reach
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, WebSocketException

from dialer.adapters.ari_events import HEARD
from dialer.ports import GatewayUnavailable

log = structlog.get_logger()

IN_FLIGHT = 300
"""Requests that may wait for their answer at a time; more wait for their turn."""
ANSWER_WITHIN_S = 10.0
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
FIRST_PAUSE_REPLACED_S, LONGEST_PAUSE_REPLACED_S = 5.0, 60.0
FILTER, RUN = "filter", "run"
"""Names of the two requests that each connection begins with."""
STEADY_AFTER_S = 10.0
"""A connection that has lasted so long starts the pauses anew."""

ASK_RUN = {
    "type": "RESTRequest",
    "request_id": RUN,
    "method": "GET",
    "uri": "asterisk/info",
    "query_strings": [{"name": "only", "value": "status"}],
}


class Unanswered(Exception):
    """The request was sent, and no answer was heard."""


class Replaced(Exception):
    """Another socket has taken the application over."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What ARI answers: an HTTP status, a JSON text, if any, and how long to leave it alone."""

    status: int
    text: str
    retry_after: str = ""

    @property
    def why(self) -> str:
        """The gateway's words for a refusal."""
        try:
            return str(json.loads(self.text)["message"])
        except (ValueError, KeyError, TypeError):
            return self.text


class AriSocket:
    """Connects, stays connected, and carries requests."""

    def __init__(
        self,
        *,
        url: str,
        username: str,
        password: str,
        application: str,
        on_event: Callable[[dict[str, Any]], None],
        on_connection: Callable[[bool], None],
        is_stand_in: bool = False,
    ) -> None:
        self._url = f"ws{url.rstrip('/').removeprefix('http')}/events?app={application}"
        credentials = base64.b64encode(f"{username}:{password}".encode()).decode()
        self._headers = {"Authorization": f"Basic {credentials}"}
        self._application = application
        self._on_event = on_event
        self._on_connection = on_connection
        self._is_stand_in = is_stand_in
        self._socket: ClientConnection | None = None
        self._is_open = False
        self._closing = asyncio.Event()
        self._turn = asyncio.Semaphore(IN_FLIGHT)
        self._waiting: dict[str, asyncio.Future[Answer]] = {}
        self._last_id = 0
        self.connected_at = 0.0
        self.gateway_run = ""

    @property
    def is_connected(self) -> bool:
        """Whether the application is ours and requests can be sent."""
        return self._is_open

    async def run(self) -> None:
        """Keep the connection until closed or cancelled."""
        pause_s, pause_replaced_s = FIRST_PAUSE_S, FIRST_PAUSE_REPLACED_S
        loop = asyncio.get_running_loop()
        while not self._closing.is_set():
            self.connected_at = loop.time()
            try:
                await self._live()
            except Replaced:
                if self._is_stand_in:  # its owner lives after all
                    return
                log.error("application taken over by another", application=self._application)
                await self._pause(pause_replaced_s)
                pause_replaced_s = min(pause_replaced_s * 2, LONGEST_PAUSE_REPLACED_S)
                continue
            except (OSError, WebSocketException, TimeoutError, EOFError) as error:
                log.warning("gateway is away", why=repr(error))
            if loop.time() - self.connected_at > STEADY_AFTER_S:
                pause_s, pause_replaced_s = FIRST_PAUSE_S, FIRST_PAUSE_REPLACED_S
            await self._pause(pause_s)
            pause_s = min(pause_s * 2, LONGEST_PAUSE_S)

    async def aclose(self) -> None:
        """Close the connection and let `run` return."""
        self._closing.set()
        if self._socket is not None:
            await self._socket.close()

    async def request(
        self,
        method: str,
        uri: str,
        body: dict[str, Any] | None = None,
        query: dict[str, str] | None = None,
        not_after: float = math.inf,
    ) -> Answer:
        """Send a request and return its answer.

        Raises:
            GatewayUnavailable: There is no connection, or its turn came too late; nothing was sent.
            Unanswered: It was sent; the connection broke, or the time limit passed.
        """
        if not self._is_open:
            raise GatewayUnavailable
        async with self._turn:
            is_late = asyncio.get_running_loop().time() > not_after
            if is_late or not self._is_open:  # lost while waiting for our turn
                raise GatewayUnavailable
            return await self._ask(method, uri, body, query)

    async def _ask(
        self, method: str, uri: str, body: dict[str, Any] | None, query: dict[str, str] | None
    ) -> Answer:
        socket = cast("ClientConnection", self._socket)
        self._last_id += 1
        request_id = str(self._last_id)
        asked: dict[str, Any] = {
            "type": "RESTRequest",
            "request_id": request_id,
            "method": method,
            "uri": uri,
        }
        if query:
            asked["query_strings"] = [{"name": name, "value": query[name]} for name in query]
        if body is not None:
            asked["content_type"] = "application/json"
            asked["message_body"] = json.dumps(body, separators=(",", ":"))
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[request_id] = answer
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                await socket.send(json.dumps(asked, separators=(",", ":")))
                if uri == "channels":
                    reach("origination-sent")
                return await answer
        except (ConnectionClosed, TimeoutError) as error:
            raise Unanswered(f"{method} {uri}") from error
        finally:
            self._waiting.pop(request_id, None)

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._closing.wait(), seconds)

    async def _live(self) -> None:
        """Connect and listen until the connection is lost."""
        async with connect(
            self._url,
            additional_headers=self._headers,
            compression=None,
            max_size=None,
            max_queue=4096,
            open_timeout=5,
            close_timeout=1,
            ping_interval=10,
            ping_timeout=10,
            proxy=None,
        ) as socket:
            self.connected_at = asyncio.get_running_loop().time()
            self._socket = socket
            try:
                await self._listen(socket)
            finally:
                self._lose()

    async def _listen(self, socket: ClientConnection) -> None:
        await self._choose_events(socket)
        await socket.send(json.dumps(ASK_RUN))
        async for text in socket:
            try:
                self._hear(json.loads(text))
            except Replaced:
                raise
            except Exception:  # one message must not cost the connection
                log.exception("message failed")

    async def _choose_events(self, socket: ClientConnection) -> None:
        """Ask for the events that we hear only: most would be thrown away."""
        await socket.send(
            json.dumps(
                {
                    "type": "RESTRequest",
                    "request_id": FILTER,
                    "method": "PUT",
                    "uri": f"applications/{self._application}/eventFilter",
                    "content_type": "application/json",
                    "message_body": json.dumps({"allowed": [{"type": type_} for type_ in HEARD]}),
                }
            )
        )

    def _hear(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "RESTResponse" if message["request_id"] == RUN:
                self._begin(message)
            case "RESTResponse":
                answer = self._waiting.pop(message["request_id"], None)
                if answer is not None and not answer.done():
                    text, pause = message.get("message_body") or "", _retry_after(message)
                    answer.set_result(Answer(message["status_code"], text, pause))
            case "ApplicationReplaced":
                raise Replaced
            case _:
                self._on_event(message)

    def _begin(self, message: dict[str, Any]) -> None:
        """The gateway has told which run of its own this is: from now on it is commanded."""
        status = json.loads(message.get("message_body") or "{}").get("status", {})
        self.gateway_run = str(status.get("startup_time", ""))
        self._is_open = True
        log.info("gateway connected", application=self._application, since=self.gateway_run)
        self._on_connection(True)

    def _lose(self) -> None:
        self._socket = None
        waiting, self._waiting = self._waiting, {}
        for answer in waiting.values():
            if not answer.done():
                answer.set_exception(Unanswered("the connection was lost"))
        if self._is_open:
            self._is_open = False
            self._on_connection(False)


def _retry_after(message: dict[str, Any]) -> str:
    """Asterisk sends no headers over the socket; who does names them as ARI names queries."""
    for header in message.get("headers") or ():
        if isinstance(header, dict) and str(header.get("name")).lower() == "retry-after":
            return str(header.get("value"))
    return ""
