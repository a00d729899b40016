"""A network of this machine alone: an address for each pod, and one for each Service.

Every pod has a network namespace of its own, so all replicas can listen on the same port, as they
do in a cluster. A bridge joins them; nothing leads from it to anywhere else. A Service is a proxy
that leads each new connection to one of the pods that are ready, in turn.
"""

import asyncio
import os
import re
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import suppress
from itertools import count
from typing import Any

NETS = 256
FIRST_POD, FIRST_SERVICE = 10, 200
OURS = re.compile(r"\bce(\d+)(?:p\d+)?\b")
CHUNK = 1 << 16
OWN = "02:c6:12:00:00:01"

Ready = Callable[[], list[tuple[str, int]]]
"""Where the pods of a Service are that take connections now."""


class Network:
    """A bridge and what hangs on it; a network of somebody who is gone is removed first.

    Attributes:
        gateway: The machine's own address there, which pods can reach.
    """

    def __init__(self) -> None:
        _remove_leftovers()
        self._bridge = f"ce{os.getpid()}"
        taken = _ip("-o", "-4", "addr")
        self._net = next(f"198.18.{n}" for n in range(NETS) if f"198.18.{n}." not in taken)
        self.gateway = f"{self._net}.1"
        self._pods, self._services = count(FIRST_POD), count(FIRST_SERVICE)
        self._proxies: list[ServiceProxy] = []
        # An address of its own: else it has that of a pod, and changes it when that pod goes.
        _ip("link", "add", self._bridge, "address", OWN, "type", "bridge")
        self._add_address(self.gateway, 24)
        _ip("link", "set", self._bridge, "up")

    def add_pod(self) -> tuple[str, str]:
        """Return the name of a network namespace and its address."""
        number = next(self._pods)
        space, address = f"{self._bridge}p{number}", f"{self._net}.{number}"
        _ip("netns", "add", space)
        _ip("link", "add", space, "type", "veth", "peer", "name", "eth0", "netns", space)
        _ip("link", "set", space, "master", self._bridge, "up")
        _ip("-n", space, "addr", "add", f"{address}/24", "dev", "eth0")
        _ip("-n", space, "link", "set", "lo", "up")
        _ip("-n", space, "link", "set", "eth0", "up")
        return space, address

    def remove_pod(self, space: str) -> None:
        _ip("netns", "delete", space)

    def add_service(self, port: int, ready: Ready) -> str:
        """Return the address at which a Service listens from now on."""
        address = f"{self._net}.{next(self._services)}"
        self._add_address(address, 32)
        self._proxies.append(ServiceProxy(address, port, ready))
        return address

    def close(self) -> None:
        for proxy in self._proxies:
            proxy.close()
        _remove(f"{os.getpid()}")

    def _add_address(self, address: str, bits: int) -> None:
        _ip("addr", "add", f"{address}/{bits}", "dev", self._bridge)


class ServiceProxy:
    """Leads each connection to one of the pods that are ready at that moment, in turn."""

    def __init__(self, address: str, port: int, ready: Ready) -> None:
        self._ready, self._turn = ready, count()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lines: set[asyncio.Task[Any]] = set()
        self._server = self._do(asyncio.start_server(self._lead, address, port))

    def close(self) -> None:
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _end(self) -> None:
        self._server.close()
        for line in self._lines:
            line.cancel()
        await asyncio.gather(*self._lines, return_exceptions=True)

    async def _lead(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = asyncio.current_task()
        assert line is not None
        self._lines.add(line)
        try:
            if there := self._ready():
                address, port = there[next(self._turn) % len(there)]
                to_reader, to_writer = await asyncio.open_connection(address, port)
                try:
                    forth = asyncio.ensure_future(_pump(reader, to_writer))
                    await _pump(to_reader, writer)
                    forth.cancel()
                    await asyncio.gather(forth, return_exceptions=True)
                finally:
                    to_writer.close()
        except (OSError, asyncio.CancelledError):
            pass
        finally:
            self._lines.discard(line)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while read := await reader.read(CHUNK):
            writer.write(read)
            await writer.drain()
        writer.write_eof()


def _remove_leftovers() -> None:
    for owner in {found[1] for found in _ours()}:
        if not os.path.exists(f"/proc/{owner}"):
            _remove(owner)


def _ours() -> Iterator[re.Match[str]]:
    return OURS.finditer(_ip("-o", "link") + _ip("netns", "list"))


def _remove(owner: str) -> None:
    for line in _ip("netns", "list").splitlines():
        if (space := line.split()[0]).startswith(f"ce{owner}p"):
            _ip("netns", "delete", space)
    with suppress(subprocess.CalledProcessError):
        _ip("link", "delete", f"ce{owner}")


def _ip(*words: str) -> str:
    return subprocess.run(["ip", *words], capture_output=True, text=True, check=True).stdout
