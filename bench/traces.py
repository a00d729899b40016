"""What traces cost: microseconds of CPU per message that is told and handled, off and on.

    make bench-traces          off; on, for none of the attempts, for a tenth, for all

In this process and without Kafka or Redis: a message is wrapped, encoded and laid out for the
commit, then parsed as a consumer does and handed to somebody who does nothing. Spans go to a
collector in a process of its own, that throws them away; ours encodes and sends them, and that is
counted. The settings take turns, so that what else the machine does meets all alike.
"""

import argparse
import asyncio
import multiprocessing
import os
import statistics
import time
import uuid
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from typing import Any

import structlog
from chassis.batches import Consumption
from chassis.collector import recording
from chassis.outbox import Change, OutMessage
from chassis.tracing import TRACES
from contracts.call import CallRinging
from contracts.envelope import wrap
from contracts.topics import CALL_EVENTS

from bench.page import write_section

SPANS = 27
"""Of an attempt that hears one `talk`: sixteen messages told, nine handled, a ring, the whole."""
ENGINE_US = 3926
"""CPU of all processes for such an attempt (`make bench-engine`)."""
BATCH = 100
CASES = {"off": None, "on, none of them": 0.0, "on, a tenth": 0.1, "on, all": 1.0}


class Nobody(BaseHTTPRequestHandler):
    """Takes everything and keeps nothing."""

    def do_POST(self) -> None:
        """Take it."""
        self.rfile.read(int(self.headers["Content-Length"]))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


def collect(tell_port: Callable[[int], None]) -> None:
    """Be a collector for ever."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Nobody)
    tell_port(server.server_address[1])
    server.serve_forever()


def tell(attempts: list[str]) -> list[OutMessage]:
    """Decide and lay out a message of each attempt."""
    at = datetime.now(UTC)
    messages = []
    for id_ in attempts:
        body = CallRinging(attempt_id=id_, campaign_id="a-campaign", at=at)
        envelope = wrap(
            body, source="dialer", subject=id_, sequence=33, at=at, customer_id="a-customer"
        )
        message = OutMessage.of(CALL_EVENTS, envelope)
        Change("dialing-1", "operation", messages=(message,)).words()
        messages.append(message)
        if TRACES.is_on:
            TRACES.created((message.span,), time.time_ns(), time.time_ns())
    return messages


async def hear(messages: list[OutMessage]) -> None:
    """Parse the messages in batches and hand them over."""

    async def on_message(_: Any) -> None:
        pass

    reading: Any = Consumption(
        None,  # type: ignore[arg-type]  # there are no dead letters
        [CALL_EVENTS],
        on_message,
        None,
        lambda _is_ok, _why: None,
        group="bench",
    )
    for start in range(0, len(messages), BATCH):
        part = messages[start : start + BATCH]
        await reading.handle([on_kafka(one, start + n) for n, one in enumerate(part)])


def on_kafka(message: OutMessage, offset: int) -> Any:
    """Return a message as a consumer gets it."""
    headers = (("ce_type", b"call.ringing"), ("correlationid", b"it"), ("content-type", b"json"))
    return SimpleNamespace(
        topic=message.topic, key=message.key.encode(), value=message.value, headers=headers,
        partition=0, offset=offset,
    )  # fmt: skip


def measure(endpoint: str, share: float | None, count: int) -> float:
    """Return microseconds of CPU for a message that is told, handled, and followed if need be."""
    traced: AbstractContextManager[None] = nullcontext()
    if share is not None:
        traced = recording("bench", "1", endpoint, share)
    attempts = [str(uuid.uuid4()) for _ in range(count)]
    with traced:
        began = time.process_time()
        asyncio.run(hear(tell(attempts)))
    return (time.process_time() - began) / count * 1e6


def report(found: dict[str, list[float]], rounds: int, count: int) -> str:
    """Return the section of the page."""
    middle = {name: statistics.median(rounds) for name, rounds in found.items()}
    off, every = middle["off"], middle["on, all"]
    span = (every - middle["on, none of them"]) / 2
    rows = "\n".join(f"| {name} | {took:.1f} | {took / off:.2f} |" for name, took in middle.items())
    return f"""`make bench-traces`: microseconds of CPU of one process to tell a message and to handle it, sending of
spans included; median of {rounds} rounds of {count:,} messages in which the settings take turns. No Kafka, no Redis.

| traces | us | ratio |
|---|---|---|
{rows}

A message that is told and handled has two spans, of {span:.0f} us each. A followed attempt with one `talk` has
about {SPANS}: {SPANS * span / 1000:.1f} ms of CPU over all processes, beside the {ENGINE_US / 1000:.1f} ms of the attempt (`make bench-engine`).
So a share of a tenth costs {0.1 * SPANS * span / ENGINE_US:.0%} more CPU, a hundredth {0.01 * SPANS * span / ENGINE_US:.1%}.
"""


def main() -> None:
    """Measure and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--messages", type=int, default=10_000, help="A round.")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--no-file", action="store_true", help="Print the page only.")
    asked = parser.parse_args()
    os.environ["OTEL_BSP_MAX_QUEUE_SIZE"] = str(2 * asked.messages)  # none is forgotten
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(40))
    ours, theirs = multiprocessing.Pipe()
    sink = multiprocessing.Process(target=collect, args=(theirs.send,), daemon=True)
    sink.start()
    endpoint = f"http://127.0.0.1:{ours.recv()}"
    found: dict[str, list[float]] = {name: [] for name in CASES}
    for _ in range(asked.rounds):
        for name, share in CASES.items():
            found[name].append(measure(endpoint, share, asked.messages))
    sink.terminate()
    page = report(found, asked.rounds, asked.messages)
    print(page)
    if not asked.no_file:
        write_section("traces", page)


if __name__ == "__main__":
    main()
