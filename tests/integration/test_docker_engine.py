"""Whether containers are tried, decided by stand-ins for a Docker engine."""

import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from campaignctl.infrastructure import Unavailable, docker_answers, standing_ground
from campaignctl.infrastructure.containers import start_kafka_container, start_redis_container
from campaignctl.infrastructure.provider import Start


class EngineWithoutImages(BaseHTTPRequestHandler):
    """Answers a ping and its version; refuses all else, as an engine without a network would."""

    def do_GET(self) -> None:
        if self.path.endswith("/_ping"):
            self._answer(200, b"OK", "text/plain")
        elif self.path.endswith("/version"):
            self._answer(200, b'{"ApiVersion": "1.44"}', "application/json")
        else:
            self._answer(500, b'{"message": "no image to be had"}', "application/json")

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, *_: object) -> None:
        return

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture(autouse=True)
def _asked_anew() -> Iterator[None]:
    docker_answers.cache_clear()
    yield
    docker_answers.cache_clear()


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with ThreadingHTTPServer(("127.0.0.1", 0), EngineWithoutImages) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{server.server_port}")
        yield
        server.shutdown()


def silent(_: str) -> None:
    return


def test_nobody_at_the_socket_is_no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/docker.sock")
    assert not docker_answers()


def test_an_engine_that_never_answers_is_given_up_within_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("DOCKER_HOST", f"tcp://127.0.0.1:{mute.getsockname()[1]}")
        began = time.monotonic()
        assert not docker_answers()
        assert time.monotonic() - began < 6


def test_an_engine_that_answers_a_ping_is_one(engine: None) -> None:
    assert docker_answers()


@pytest.mark.parametrize("start", [start_kafka_container, start_redis_container])
def test_containers_that_do_not_start_are_passed_over_with_the_cause(
    engine: None, start: Start
) -> None:
    with (
        standing_ground(announce=silent) as ground,
        pytest.raises(Unavailable, match=r"did not start: .*no image to be had"),
    ):
        start(ground)


@pytest.mark.parametrize("start", [start_kafka_container, start_redis_container])
def test_containers_are_not_taken_where_state_must_be_kept(
    engine: None, start: Start, tmp_path: Path
) -> None:
    with (
        standing_ground(announce=silent, data_folder=tmp_path) as ground,
        pytest.raises(Unavailable, match="containers keep nothing in a data folder"),
    ):
        start(ground)
