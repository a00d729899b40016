"""The failing line itself: it must do to a connection exactly what it says."""

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.faults.proxy import Proxy, Way, proxied

pytestmark = pytest.mark.short
SOON_S = 0.2


@pytest.fixture
def echo() -> Iterator[int]:
    """A server that gives back what it hears; its port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve(connection: socket.socket) -> None:
            with suppress(OSError), connection:
                while words := connection.recv(4096):
                    connection.sendall(words)

        def accept() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=serve, args=(connection,), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy(echo: int) -> Iterator[Proxy]:
    with proxied(echo) as proxy:
        yield proxy


@pytest.fixture
def line(proxy: Proxy) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", proxy.port), 5) as line:
        line.sendall(b"hello")
        assert line.recv(100) == b"hello"
        yield line


def test_a_cut_resets_what_is_open_and_what_is_new(proxy: Proxy, line: socket.socket) -> None:
    proxy.cut()
    with pytest.raises(ConnectionResetError):
        line.recv(100)
    with pytest.raises(ConnectionResetError), _connected(proxy) as another:
        another.recv(100)


@pytest.mark.parametrize("way", [Way.FORTH, Way.BACK, Way.BOTH])
def test_a_frozen_way_carries_nothing_until_it_is_healed(
    proxy: Proxy, line: socket.socket, way: Way
) -> None:
    proxy.freeze(way)
    line.sendall(b"late")
    line.settimeout(SOON_S)
    with pytest.raises(TimeoutError):
        line.recv(100)
    proxy.heal()
    line.settimeout(5)
    assert line.recv(100) == b"late"


def test_a_line_frozen_on_the_way_back_still_tells_the_server(proxy: Proxy) -> None:
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        proxied(server.getsockname()[1]) as line,
        _connected(line) as client,
    ):
        far, _ = server.accept()
        with far:
            line.freeze(Way.BACK)
            client.sendall(b"heard")
            assert far.recv(100) == b"heard"
            far.sendall(b"lost")
            client.settimeout(SOON_S)
            with pytest.raises(TimeoutError):
                client.recv(100)


def test_a_delay_is_kept_each_way(proxy: Proxy, line: socket.socket) -> None:
    proxy.delay(0.1)
    began = time.monotonic()
    line.sendall(b"slow")
    assert line.recv(100) == b"slow"
    assert time.monotonic() - began >= 0.2


def test_a_healed_line_takes_new_connections(proxy: Proxy) -> None:
    proxy.cut()
    proxy.heal()
    with _connected(proxy) as line:
        line.sendall(b"back")
        assert line.recv(100) == b"back"


def test_new_connections_follow_to_another_server(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        proxy.lead_to(other.getsockname()[1])
        with _connected(proxy) as line:
            far, _ = other.accept()
            with far:
                line.sendall(b"you")
                assert far.recv(100) == b"you"


def _connected(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), 5)
