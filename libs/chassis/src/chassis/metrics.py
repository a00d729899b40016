"""What every service measures, for Prometheus. Names are stable: dashboards and alerts use them.

`docs/metrics.md` is written from them by `make schemas`.
"""

import asyncio
import time

from prometheus_client import Counter, Gauge, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PREFIX = "campaign_engine_"
BEAT_S = 0.25
SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

READY = Gauge(f"{PREFIX}ready", "Whether a condition of /readyz holds: 1 or 0.", ["condition"])
LOOP_DELAY = Gauge(
    f"{PREFIX}event_loop_delay_seconds", "How late the event loop was at its last beat."
)
COMMITS = Counter(f"{PREFIX}commits_total", "Changes of state, by what came of them.", ["result"])
COMMIT_SECONDS = Histogram(
    f"{PREFIX}commit_seconds", "How long Redis took for a batch of changes.", buckets=SECONDS
)
OUTBOX_MESSAGES = Gauge(
    f"{PREFIX}outbox_messages",
    "Messages that are committed and not on Kafka yet, of the shards relayed here.",
    ["namespace"],
)
OUTBOX_AGE = Gauge(
    f"{PREFIX}outbox_oldest_seconds", "How long the oldest of them has waited.", ["namespace"]
)
PUBLISHED = Counter(f"{PREFIX}published_messages_total", "Messages Kafka has taken.", ["topic"])
CONSUMED = Counter(f"{PREFIX}consumed_messages_total", "Messages handled.", ["group", "topic"])
BATCH_SECONDS = Histogram(
    f"{PREFIX}batch_seconds", "How long a batch of messages took.", ["group"], buckets=SECONDS
)
LAG = Gauge(
    f"{PREFIX}consumer_lag_messages",
    "Messages that Kafka has for this member and that are not handled yet.",
    ["group", "topic"],
)
DEAD_LETTERS = Counter(
    f"{PREFIX}dead_letters_total", "Messages set aside because nobody could handle them.", ["topic"]
)

REQUESTS = Counter(
    f"{PREFIX}http_requests_total", "Requests that were answered.", ["method", "route", "status"]
)
REQUEST_SECONDS = Histogram(
    f"{PREFIX}http_request_seconds", "Until an answer began.", ["route"], buckets=SECONDS
)


async def watch_loop() -> None:
    """Measure for ever how late the event loop is."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + BEAT_S
        await asyncio.sleep(BEAT_S)
        LOOP_DELAY.set(max(0.0, loop.time() - due))


class Measured:
    """Counts and times the requests to an application, by the route that answered."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                route = getattr(scope.get("route"), "path", "none")
                REQUESTS.labels(scope["method"], route, message["status"]).inc()
                REQUEST_SECONDS.labels(route).observe(time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, note)
