"""Follow an attempt through all services: it is a trace, and the trace's id is the attempt's.

Whether one is followed is decided by its id alone, so all services and replicas agree. A message
that is followed says so by its `traceparent`, whose span id follows from the message's own id: the
same decision is told again by the same bytes. Whatever belongs to no attempt is a part of the
request, or of the foreign trace, that led to it, or is not followed at all.

Until `TRACES.record` is called nothing is followed, and asking costs a look at an attribute.
"""

import re
from collections.abc import Iterable
from datetime import datetime
from hashlib import blake2b
from random import getrandbits
from typing import Any

from aiokafka import ConsumerRecord
from contracts.envelope import Envelope
from contracts.topics import KEYED_BY_ATTEMPT, Topic
from opentelemetry.trace import SpanKind

from chassis.logs import mask_text
from chassis.spans import Record, Scope, Span, current_span

RANDOM_BITS = 56  # of a UUID, and so of a trace id: what stands before them is not all chance
HEADER = "traceparent"
TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]([0-9a-f])(-.*)?"
)


def trace_id_of(story: str) -> int:
    """Return the trace id of a story whose id is a UUID: the same sixteen bytes; 0 of another."""
    digits = story.replace("-", "")
    try:
        return int(digits, 16) if len(digits) == 32 else 0
    except ValueError:
        return 0


def span_id_of(text: str) -> int:
    """Return the span id that follows from the id of a message."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest()) or 1


def root_of(trace_id: int) -> int:
    """Return the id of the span that is an attempt from its beginning to its end."""
    return span_id_of(f"{trace_id:032x}")


def parent_in(traceparent: str | None) -> tuple[int, int] | None:
    """Return trace and span of a `traceparent`, None if it is none or says: not sampled."""
    found = TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if found is None or not int(found[3], 16) & 1:
        return None
    return int(found[1], 16), int(found[2], 16)


def _tells_of_attempt(topic: Topic, envelope: Envelope[Any]) -> bool:
    return topic.key == KEYED_BY_ATTEMPT or envelope.correlation_id != envelope.subject


class Traces:
    """What this process follows, and who records it."""

    def __init__(self) -> None:
        self._record: Record | None = None
        self._from = 1 << RANDOM_BITS

    @property
    def is_on(self) -> bool:
        """Whether anything is followed."""
        return self._record is not None

    def record(self, record: Record | None, share: float = 1.0) -> None:
        """Have each span that has ended recorded, or no span any more.

        Args:
            record: Must return at once and never raise.
            share: Of the attempts, from 0 to 1.
        """
        self._record = record
        self._from = round((1 - share) * (1 << RANDOM_BITS))

    def is_followed(self, trace_id: int) -> bool:
        """Say whether a trace is among the share that is followed.

        By its last 56 bits, as OpenTelemetry's consistent sampling does: a smaller share is a part
        of a larger one. (The SDK's own ratio looks at 64; in a UUID two of these never change.)
        """
        return trace_id & ((1 << RANDOM_BITS) - 1) >= self._from

    # ---- messages

    def stamped(self, topic: Topic, envelope: Envelope[Any]) -> Span | None:
        """Return the span that a message's `traceparent` names, if it is followed."""
        if self._record is None:
            return None
        current = current_span()
        is_of_attempt = _tells_of_attempt(topic, envelope)
        if is_of_attempt:
            trace_id = trace_id_of(envelope.correlation_id)
        else:
            trace_id = current.trace_id if current else 0
        is_within = current is not None and current.trace_id == trace_id
        if not trace_id or not (is_within or self.is_followed(trace_id)):
            return None
        return Span(
            name=f"create {envelope.type}",
            kind=SpanKind.PRODUCER,
            trace_id=trace_id,
            span_id=span_id_of(envelope.id),
            parent_id=current.span_id if current and is_within else root_of(trace_id),
            link=(current.trace_id, current.span_id) if current and not is_within else None,
            attributes=_of_message("create", topic.name, envelope),
        )

    def created(self, spans: Iterable[Span | None], begun_ns: int, ended_ns: int) -> None:
        """Record the messages of a commit, now that they are certain to be published."""
        for span in spans:
            if span is not None and self._record is not None:
                span.begun_ns, span.ended_ns = begun_ns, ended_ns
                self._record(span)

    def handling(self, envelope: Envelope[Any], record: ConsumerRecord, group: str) -> Scope:
        """Return the scope of a message's handling."""
        if self._record is None:
            return Scope(envelope.correlation_id)
        parent = parent_in(envelope.traceparent or _header_of(record))
        if parent is None:
            return Scope(envelope.correlation_id)
        where: dict[str, str | int] = {
            "messaging.consumer.group.name": group,
            "messaging.destination.partition.id": str(record.partition),
            "messaging.kafka.offset": record.offset,
        }
        span = Span(
            name=f"process {envelope.type}",
            kind=SpanKind.CONSUMER,
            trace_id=parent[0],
            parent_id=parent[1],
            attributes=_of_message("process", record.topic, envelope) | where,
        )
        return Scope(envelope.correlation_id, span, self._record)

    # ---- whatever else lasts

    def calling(self, name: str, attempt_id: str) -> Scope:
        """Return the scope of a question to a neighbour, asked for an attempt."""
        trace_id = trace_id_of(attempt_id) if self._record is not None else 0
        if not trace_id or not self.is_followed(trace_id):
            return Scope(attempt_id)
        current = current_span()
        is_within = current is not None and current.trace_id == trace_id
        span = Span(
            name=name,
            kind=SpanKind.CLIENT,
            trace_id=trace_id,
            parent_id=current.span_id if current and is_within else root_of(trace_id),
            attributes={},
        )
        return Scope(attempt_id, span, self._record)

    def answering(self, name: str, traceparent: str | None, about: dict[str, str | int]) -> Scope:
        """Return the scope of a request, which is a part of the client's trace if it names one."""
        parent = parent_in(traceparent) if self._record is not None else None
        trace_id = parent[0] if parent else getrandbits(128)
        if self._record is None or not (parent or self.is_followed(trace_id)):
            return Scope("")
        span = Span(
            name=name,
            kind=SpanKind.SERVER,
            trace_id=trace_id,
            parent_id=parent[1] if parent else None,
            attributes=about,
        )
        return Scope("", span, self._record)

    def whole(
        self,
        name: str,
        attempt_id: str,
        since: datetime,
        until: datetime,
        attributes: dict[str, str | int],
    ) -> None:
        """Record the root of an attempt's trace, once it is over."""
        trace_id = trace_id_of(attempt_id) if self._record is not None else 0
        if trace_id and self._record is not None and self.is_followed(trace_id):
            span = Span(
                name=name,
                kind=SpanKind.INTERNAL,
                trace_id=trace_id,
                span_id=root_of(trace_id),
                parent_id=None,
                attributes=attributes,
                begun_ns=int(since.timestamp() * 1e9),
                ended_ns=int(until.timestamp() * 1e9),
            )
            self._record(span)


TRACES = Traces()
"""Those of this process."""


def _header_of(record: ConsumerRecord) -> str | None:
    for name, value in record.headers:
        if name == HEADER:
            return str(value.decode(errors="replace"))
    return None


def _of_message(operation: str, topic: str, envelope: Envelope[Any]) -> dict[str, str | int]:
    """Describe a message by OpenTelemetry's conventions; its subject could be a number."""
    said_by, _, sequence = envelope.id.rpartition("/")
    return {
        "messaging.system": "kafka",
        "messaging.operation.name": operation,
        "messaging.operation.type": operation,
        "messaging.destination.name": topic,
        "messaging.message.id": f"{mask_text(said_by)}/{sequence}",
        "cloudevents.event_type": envelope.type,
    }
