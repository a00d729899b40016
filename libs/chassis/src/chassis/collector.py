"""Hand the spans that have ended to an OpenTelemetry collector, over OTLP and HTTP.

In a thread of its own, in batches, from a queue that forgets the oldest when it is full: one that
is slow or away disturbs nobody. The standard variables of OpenTelemetry (`OTEL_BSP_...`,
`OTEL_EXPORTER_OTLP_...`, `OTEL_RESOURCE_ATTRIBUTES`) set what we have no setting for.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import urlsplit

import structlog
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import Link, SpanContext, TraceFlags
from opentelemetry.trace.status import Status, StatusCode

from chassis.spans import Span
from chassis.tracing import TRACES

log = structlog.get_logger()

PATH = "/v1/traces"
FLUSHED_WITHIN_S = 3.0
LIBRARY = "opentelemetry"
LONGEST_WHY = 300
SAMPLED = TraceFlags(TraceFlags.SAMPLED)


@contextmanager
def recording(service: str, instance: str, endpoint: str, share: float) -> Iterator[None]:
    """Have what is followed recorded for the time of the block.

    Args:
        service: Its name, as the spans tell it.
        instance: Which of its replicas.
        endpoint: Where the collector takes spans; the usual path is added to a bare address.
        share: Of the attempts, from 0 to 1.
    """
    parts = urlsplit(endpoint)
    url = endpoint if parts.path.strip("/") else parts._replace(path=PATH).geturl()
    with _overheard() as said:
        exporter = Patient(OTLPSpanExporter(url), parts.netloc, said)
        batches = BatchSpanProcessor(exporter)
        finished = _finisher(service, instance)
        TRACES.record(lambda span: batches.on_end(finished(span)), share)
        log.info("traces are recorded", collector=parts.netloc, share=share)
        try:
            yield
        finally:
            TRACES.record(None)
            # It would wait for half a minute, and cannot be told otherwise: then the exporter is.
            flushing = threading.Thread(target=batches.shutdown, daemon=True)
            flushing.start()
            flushing.join(FLUSHED_WITHIN_S)
            exporter.shutdown()


class Patient(SpanExporter):
    """An exporter that says once that spans are lost, and once that they are not any more."""

    def __init__(self, exporter: SpanExporter, collector: str, said: list[str]) -> None:
        """Export by another.

        Args:
            exporter: Does it.
            collector: Named in the log.
            said: What the exporter has said about its troubles.
        """
        self._exporter, self._collector, self._said = exporter, collector, said
        self._lost = 0
        self._is_shut = False

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Send some spans, and give them up if that fails again and again."""
        if self._is_shut:
            return SpanExportResult.FAILURE
        self._said.clear()
        told = self._exporter.export(spans)
        if told is SpanExportResult.SUCCESS:
            if self._lost:
                log.info("traces are recorded again", collector=self._collector, lost=self._lost)
            self._lost = 0
            return told
        if not self._lost:
            why = self._said[0][:LONGEST_WHY] if self._said else ""
            log.warning("traces are lost", collector=self._collector, why=why)
        self._lost += len(spans)
        return told

    def shutdown(self) -> None:
        """Give up what is under way, and what comes after it."""
        if not self._is_shut:
            self._is_shut = True
            self._exporter.shutdown()


class _Ear(logging.Handler):
    def __init__(self, said: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._said = said

    def emit(self, record: logging.LogRecord) -> None:
        if len(self._said) < 1:
            self._said.append(record.getMessage())


@contextmanager
def _overheard() -> Iterator[list[str]]:
    """Keep the library's own complaints, of each attempt to send, out of the log."""
    said: list[str] = []
    library, ear = logging.getLogger(LIBRARY), _Ear(said)
    library.addHandler(ear)
    library.propagate = False
    try:
        yield said
    finally:
        library.propagate = True
        library.removeHandler(ear)


class _Program(Resource):
    """There is one, known by its identity: the library's own hash writes a JSON text a span."""

    __eq__ = object.__eq__
    __hash__ = object.__hash__


def _finisher(service: str, instance: str) -> Callable[[Span], ReadableSpan]:
    """Return what makes OpenTelemetry's spans of ours; its tracer would choose ids of its own."""
    told = Resource.create(
        {
            "service.namespace": "campaign-engine",
            "service.name": service,
            "service.instance.id": instance,
        }
    )
    resource = _Program(told.attributes, told.schema_url)
    scope = InstrumentationScope("chassis.tracing")
    fine = Status(StatusCode.UNSET)

    def finished(span: Span) -> ReadableSpan:
        trace_id, link = span.trace_id, span.link
        parent = span.parent_id
        attributes = (
            {**span.attributes, "error.type": span.error} if span.error else span.attributes
        )
        return ReadableSpan(
            span.name,
            context=SpanContext(trace_id, span.span_id, is_remote=False, trace_flags=SAMPLED),
            parent=SpanContext(trace_id, parent, is_remote=False) if parent else None,
            resource=resource,
            attributes=attributes,
            links=(Link(SpanContext(*link, is_remote=True)),) if link else (),
            kind=span.kind,
            status=Status(StatusCode.ERROR, span.error) if span.error else fine,
            start_time=span.begun_ns,
            end_time=span.ended_ns,
            instrumentation_scope=scope,
        )

    return finished
