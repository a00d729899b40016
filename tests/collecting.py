"""A small OpenTelemetry collector: it keeps what it is sent, and can be away for a while."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

PRODUCER, CONSUMER = 4, 5
"""Kinds of spans on the wire."""


@dataclass(frozen=True, slots=True)
class Seen:
    """A span as a collector sees it; ids are hexadecimal, `parent` is "" without one."""

    service: str
    name: str
    kind: int
    trace: str
    id: str
    parent: str
    seconds: float
    attributes: dict[str, str]
    links: tuple[tuple[str, str], ...]
    is_error: bool


class Collector:
    """Listens on a port of its own, and keeps what it is sent."""

    def __init__(self) -> None:
        self._sent: list[bytes] = []
        self._ended = threading.Event()
        self.is_silent = False
        self._server = self._listening(0)

    def _listening(self, port: int) -> ThreadingHTTPServer:
        server = ThreadingHTTPServer(("127.0.0.1", port), self._answering())
        server.daemon_threads = True
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return server

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def bodies(self) -> list[bytes]:
        """Return what was sent, as it was."""
        return list(self._sent)

    def spans(self) -> list[Seen]:
        return [span for body in self.bodies() for span in seen(body)]

    def trace(self, attempt_id: str) -> list[Seen]:
        """Return the trace of an attempt: its id is the attempt's."""
        return [span for span in self.spans() if span.trace == attempt_id.replace("-", "")]

    def go_away(self) -> None:
        """Refuse every connection from now on."""
        self._server.shutdown()
        self._server.server_close()

    def come_back(self) -> None:
        """Listen again where it was."""
        self._server = self._listening(self.port)

    def close(self) -> None:
        self._ended.set()
        self.go_away()

    def _answering(self) -> type[BaseHTTPRequestHandler]:
        collector = self

        class Answering(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if collector.is_silent:
                    collector._ended.wait(60)
                    return
                assert self.path == "/v1/traces"
                collector._sent.append(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        return Answering


@contextmanager
def standing_collector() -> Iterator[Collector]:
    collector = Collector()
    try:
        yield collector
    finally:
        collector.close()


def seen(body: bytes) -> Iterator[Seen]:
    """Return the spans of a request."""
    for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
        of = {one.key: one.value.string_value for one in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Seen(
                    of["service.name"],
                    span.name,
                    span.kind,
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    (span.end_time_unix_nano - span.start_time_unix_nano) / 1e9,
                    {
                        one.key: one.value.string_value or str(one.value.int_value)
                        for one in span.attributes
                    },
                    tuple((link.trace_id.hex(), link.span_id.hex()) for link in span.links),
                    span.status.code == 2,
                )
