"""A line that can fail: a TCP proxy that cuts, freezes one way or both, delays and heals.

It works below every protocol: Redis, the gateway's WebSocket, and a Kafka broker that advertises
the proxy's address. A frozen direction carries nothing and closes nothing, as a half-open
connection does; what was read before the freeze arrives when it is healed.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager, suppress
from enum import Flag
from typing import Any

CHUNK = 1 << 16


class Way(Flag):
    """A direction of the line: FORTH to the server, BACK to the client."""

    FORTH = 1
    BACK = 2
    BOTH = FORTH | BACK


class Proxy:
    """One listening port of loopback and what lies behind it; its methods are thread-safe.

    Attributes:
        port: Where it listens, for as long as it lives.
    """

    def __init__(self, target_port: int, port: int = 0) -> None:
        self._target_port = target_port
        self._loop = asyncio.new_event_loop()
        self._flows = {Way.FORTH: asyncio.Event(), Way.BACK: asyncio.Event()}
        self._delay_s = 0.0
        self._is_refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._connected: set[asyncio.Task[Any]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._server = self._do(self._open(port))
        self.port: int = self._server.sockets[0].getsockname()[1]

    def lead_to(self, target_port: int) -> None:
        """Let new connections lead to another server."""
        self._target_port = target_port

    def cut(self) -> None:
        """Reset all connections, and reset new ones until it is healed."""
        self._do(self._change(is_refusing=True))

    def freeze(self, way: Way = Way.BOTH) -> None:
        """Carry nothing that way until it is healed; nobody is told."""
        self._do(self._change(frozen=way))

    def delay(self, seconds: float) -> None:
        """Carry everything so much later, each way."""
        self._do(self._change(delay_s=seconds))

    def heal(self) -> None:
        """Carry everything again, at once."""
        self._do(self._change())

    def close(self) -> None:
        """Cut everything and listen no more."""
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _open(self, port: int) -> asyncio.Server:
        for flow in self._flows.values():
            flow.set()
        return await asyncio.start_server(self._connect, "127.0.0.1", port)

    async def _change(
        self, *, is_refusing: bool = False, frozen: Way | None = None, delay_s: float = 0.0
    ) -> None:
        self._is_refusing, self._delay_s = is_refusing, delay_s
        for way, flow in self._flows.items():
            flow.clear() if frozen and way in frozen else flow.set()
        if is_refusing:
            for writer in self._writers:
                _reset(writer)

    async def _shut(self) -> None:
        self._server.close()
        await self._change(is_refusing=True)
        for task in self._connected:
            task.cancel()
        await asyncio.gather(*self._connected, return_exceptions=True)

    async def _connect(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._connected.add(task)
            task.add_done_callback(self._connected.discard)
        if self._is_refusing:
            _reset(back)
            return
        try:
            far, forth = await asyncio.open_connection("127.0.0.1", self._target_port)
        except OSError:
            _reset(back)
            return
        self._writers |= (ends := {back, forth})
        ways = ((near, forth, Way.FORTH), (far, back, Way.BACK))
        carrying = [asyncio.create_task(self._carry(*way)) for way in ways]
        try:
            await asyncio.wait(carrying, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in carrying:
                task.cancel()
            await asyncio.gather(*carrying, return_exceptions=True)
            self._writers -= ends
            for writer in ends:
                writer.close()

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, way: Way
    ) -> None:
        with suppress(ConnectionError):
            while words := await source.read(CHUNK):
                if self._delay_s:
                    await asyncio.sleep(self._delay_s)
                await self._flows[way].wait()
                sink.write(words)
                await sink.drain()
            await self._flows[way].wait()  # not even the end gets through a frozen line


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close it so that the other end is told of a reset, not of an end."""
    connection = writer.get_extra_info("socket")
    if connection is not None and connection.fileno() >= 0:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()


@contextmanager
def proxied(target_port: int, port: int = 0) -> Iterator[Proxy]:
    """Have a line to a port of loopback for the time of the block."""
    proxy = Proxy(target_port, port)
    try:
        yield proxy
    finally:
        proxy.close()
