"""What is being done now: the story it belongs to, and the span of its trace if that is followed.

Both go along with the running code, into whatever it awaits or starts.
"""

import random
import time
from collections.abc import Callable
from contextvars import ContextVar, Token
from dataclasses import dataclass, field
from types import TracebackType

from opentelemetry.trace import SpanKind

STORY: ContextVar[str] = ContextVar("story", default="")
"""Correlation id of what is being done, "" for none."""
_CURRENT: ContextVar["Span | None"] = ContextVar("span", default=None)


def fresh_id() -> int:
    """Return an id for a span that no message names."""
    return random.getrandbits(64) or 1


@dataclass(slots=True, eq=False, kw_only=True)
class Span:
    """Something that lasts, as OpenTelemetry sees it; times are nanoseconds since 1970.

    Attributes:
        parent_id: The span it is a part of; None: of none.
        link: Trace and span that led to it, if that is another trace.
        error: Name of what went wrong, "" for nothing.
        ended_ns: 0 while it lasts.
    """

    name: str
    kind: SpanKind
    trace_id: int
    span_id: int = field(default_factory=fresh_id)
    parent_id: int | None
    attributes: dict[str, str | int]
    link: tuple[int, int] | None = None
    error: str = ""
    begun_ns: int = 0
    ended_ns: int = 0

    @property
    def traceparent(self) -> str:
        """What a message says of the span that told it (W3C trace context), sampled."""
        return f"00-{self.trace_id:032x}-{self.span_id:016x}-01"


Record = Callable[[Span], None]


def current_span() -> Span | None:
    """Return the span that lasts; what goes on in the background outlives it and is in none."""
    span = _CURRENT.get()
    return None if span is None or span.ended_ns else span


def leave() -> None:
    """Belong to no story from now on: for what works for many at a time."""
    STORY.set("")
    _CURRENT.set(None)


class Scope:
    """What is done inside belongs to a story, and to a span, if there is one."""

    __slots__ = ("_in_span", "_in_story", "_record", "_span", "_story")

    def __init__(self, story: str, span: Span | None = None, record: Record | None = None) -> None:
        self._story, self._span, self._record = story, span, record
        self._in_story: Token[str]
        self._in_span: Token[Span | None]

    def __enter__(self) -> Span | None:
        self._in_story = STORY.set(self._story)
        if self._span is not None:
            self._in_span = _CURRENT.set(self._span)
            self._span.begun_ns = time.time_ns()
        return self._span

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        STORY.reset(self._in_story)
        span = self._span
        if span is None:
            return
        _CURRENT.reset(self._in_span)
        span.ended_ns = time.time_ns()
        if kind is not None:
            span.error = kind.__name__
        if self._record is not None:
            self._record(span)
