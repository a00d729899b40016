"""The two doors: ARI's event WebSocket, which takes requests too, and ARI by plain HTTP.

Only as much of HTTP/1.1 as clients of ARI use: bodies have a Content-Length.
"""

import asyncio
import base64
import contextlib
import json
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from http import HTTPStatus
from secrets import compare_digest
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import State
from websockets.server import ServerProtocol

from carrier_simulator.applications import Applications
from carrier_simulator.router import Response, Router
from carrier_simulator.wire import encode

READ_BYTES = 1 << 16
UNREAD_BYTES_LIMIT = 64 << 20
"""A client that leaves so much unread is cut off, as Asterisk does."""
APART_S = 0.002
"""Writes to a socket are so far apart, and share what has come up in between."""


@dataclass(frozen=True, slots=True)
class Head:
    """The head of an HTTP request, and its bytes."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    raw: bytes


class Doors:
    """Serves connections until it is closed."""

    def __init__(
        self, router: Router, applications: Applications, *, username: str, password: str
    ) -> None:
        self._router = router
        self._applications = applications
        self._credentials = f"{username}:{password}".encode()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def open(self, port: int, *, host: str = "127.0.0.1") -> int:
        """Listen; return the port, which is chosen freely for 0."""
        self._server = await asyncio.start_server(
            self._serve, host, port, backlog=1024, limit=READ_BYTES
        )
        return int(self._server.sockets[0].getsockname()[1])

    async def aclose(self) -> None:
        """Stop listening and cut all connections."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await asyncio.sleep(0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
                while await self._exchange(reader, writer):
                    await writer.drain()
        except (ValueError, asyncio.LimitOverrunError):
            writer.write(_encoded(Response(400, '{"message":"Bad request"}'), is_last=True))
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Serve one request; return whether another may follow."""
        head = _parsed(await reader.readuntil(b"\r\n\r\n"))
        body = await reader.readexactly(int(head.headers.get("content-length", "0")))
        if not self._may_enter(head):
            writer.write(_encoded(Response(401, '{"message":"Authentication required"}')))
        elif not head.path.startswith("/ari/"):
            writer.write(_encoded(Response(404, '{"message":"Resource not found"}')))
        elif head.path == "/ari/events" and "upgrade" in head.headers:
            await self._converse(head, reader, writer)
            return False
        else:
            response = self._router.dispatch(
                head.method, unquote(head.path[len("/ari/") :]), head.query, body
            )
            if isinstance(response, Awaitable):
                response = await response
            writer.write(_encoded(response))
        return head.headers.get("connection", "").lower() != "close"

    async def _converse(
        self, head: Head, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        names = [name for name in head.query.get("app", "").split(",") if name]
        if not names:
            writer.write(_encoded(Response(400, '{"message":"Missing parameter app"}')))
            return
        conversation = Conversation(
            writer,
            self._router,
            lambda type_: any(self._applications.wants(n, type_) for n in names),
        )
        if not conversation.accept(head.raw):
            return
        for name in names:
            self._applications.register(name, conversation.send)
        try:
            while conversation.is_open and (received := await reader.read(READ_BYTES)):
                conversation.receive(received)
        finally:
            self._applications.leave(conversation.send)

    def _may_enter(self, head: Head) -> bool:
        given = head.query.get("api_key", "").encode()
        scheme, _, encoded = head.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "basic":
            with contextlib.suppress(ValueError):
                given = base64.b64decode(encoded)
        return compare_digest(given, self._credentials)


class Conversation:
    """One WebSocket: events and responses out, requests in; what comes closely goes together."""

    def __init__(
        self, writer: asyncio.StreamWriter, router: Router, wants: Callable[[str], bool]
    ) -> None:
        self._writer = writer
        self._router = router
        self._wants = wants
        self._protocol = ServerProtocol(max_size=1 << 20)
        self._frames: list[bytes] = []
        self._flushed_at = 0.0
        self._waiting: set[asyncio.Task[None]] = set()
        self.send = self._send  # one bound method: it is this socket's identity

    @property
    def is_open(self) -> bool:
        """Whether more may be read."""
        return self._protocol.state is State.OPEN

    def accept(self, raw: bytes) -> bool:
        """Answer the opening handshake; return whether the socket is open."""
        self._protocol.receive_data(raw)
        for request in self._protocol.events_received():
            if isinstance(request, Request):
                self._protocol.send_response(self._protocol.accept(request))
        self._write_protocol()
        return self._protocol.state is State.OPEN

    def receive(self, received: bytes) -> None:
        """Take bytes in and carry out the requests among them."""
        self._protocol.receive_data(received)
        for frame in self._protocol.events_received():
            if isinstance(frame, Frame) and frame.opcode is Opcode.TEXT:
                with contextlib.suppress(ValueError, KeyError, TypeError):  # no request at all
                    self._carry_out(json.loads(bytes(frame.data)))
        self._write_protocol()

    def _carry_out(self, asked: dict[str, Any]) -> None:
        if asked["type"] != "RESTRequest":
            return
        uri = urlsplit(str(asked.get("uri", "")))
        query = dict(parse_qsl(uri.query))
        for pair in asked.get("query_strings") or ():
            query[str(pair["name"])] = str(pair["value"])
        path = unquote(uri.path).lstrip("/").removeprefix("ari/")
        response = self._router.dispatch(
            str(asked.get("method", "GET")), path, query, asked.get("message_body") or ""
        )
        if isinstance(response, Response):
            self._respond(asked, response)
        else:
            task = asyncio.ensure_future(self._respond_later(asked, response))
            self._waiting.add(task)
            task.add_done_callback(self._waiting.discard)

    async def _respond_later(self, asked: dict[str, object], response: Awaitable[Response]) -> None:
        self._respond(asked, await response)

    def _respond(self, asked: dict[str, object], response: Response) -> None:
        if not self._wants("RESTResponse"):
            return  # as with Asterisk, the application's filter holds for answers too
        answer: dict[str, object] = {
            "type": "RESTResponse",
            "transaction_id": asked.get("transaction_id", ""),
            "request_id": asked.get("request_id", ""),
            "status_code": response.status,
            "reason_phrase": HTTPStatus(response.status).phrase,
            "uri": asked.get("uri", ""),
        }
        if response.retry_after_s:
            answer["headers"] = [{"name": "Retry-After", "value": str(response.retry_after_s)}]
        if response.body:
            answer["content_type"] = "application/json"
            answer["message_body"] = response.body
        self._send(encode(answer))

    def _send(self, text: str) -> None:
        if self._protocol.state is not State.OPEN:
            return
        content = text.encode()
        size = len(content)
        if size < 126:
            header = struct.pack("!BB", 0x81, size)
        elif size < 1 << 16:
            header = struct.pack("!BBH", 0x81, 126, size)
        else:
            header = struct.pack("!BBQ", 0x81, 127, size)
        if not self._frames:
            loop = asyncio.get_running_loop()
            loop.call_at(max(loop.time(), self._flushed_at + APART_S), self._flush)
        self._frames += (header, content)

    def _flush(self) -> None:
        frames, self._frames = self._frames, []
        self._flushed_at = asyncio.get_running_loop().time()
        transport = self._writer.transport
        if transport.is_closing():
            return
        if transport.get_write_buffer_size() > UNREAD_BYTES_LIMIT:
            transport.abort()
            return
        transport.write(b"".join(frames))

    def _write_protocol(self) -> None:
        """Write what the protocol itself has to say: handshake, pongs, close."""
        ours = b"".join(self._protocol.data_to_send())
        if ours and not self._writer.transport.is_closing():
            self._writer.write(ours)


def _parsed(raw: bytes) -> Head:
    line, *fields = raw.decode("latin-1").split("\r\n")
    method, target, _ = line.split(" ", 2)
    url = urlsplit(target)
    headers = {
        name.strip().lower(): value.strip()
        for name, _, value in (field.partition(":") for field in fields if field)
    }
    return Head(method, url.path, dict(parse_qsl(url.query)), headers, raw)


def _encoded(response: Response, *, is_last: bool = False) -> bytes:
    body = response.body.encode()
    ask = 'WWW-Authenticate: Basic realm="ARI"\r\n' if response.status == 401 else ""
    later = f"Retry-After: {response.retry_after_s}\r\n" if response.retry_after_s else ""
    return (
        f"HTTP/1.1 {response.status} {HTTPStatus(response.status).phrase}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n{ask}{later}"
        f"{'Connection: close' + chr(13) + chr(10) if is_last else ''}\r\n"
    ).encode() + body
