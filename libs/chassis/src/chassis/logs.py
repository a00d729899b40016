"""Logs: one JSON object a line, telephone numbers masked above debug level."""

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

from chassis.spans import STORY, current_span

PRIVATE = frozenset({"address", "number", "destination", "caller_id", "source"})
VISIBLE = 4
NUMBER = re.compile(r"(?P<id>[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})|\+?\d{7,}")


def mask(number: str) -> str:
    """Return a number of which only the last digits can be read."""
    return "*" * max(0, len(number) - VISIBLE) + number[-VISIBLE:] if len(number) > VISIBLE else "*"


def mask_text(text: str) -> str:
    """Return a text with everything masked that could be a telephone number; ids are none."""
    return NUMBER.sub(lambda found: found[0] if found["id"] else mask(found[0]), text)


def mask_numbers(
    _logger: Any, level: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask what stands under a key that may hold a number, unless the line is for debugging."""
    if level != "debug":
        for key in PRIVATE & event.keys():
            event[key] = mask(str(event[key]))
    return event


def name_story(
    _logger: Any, _level: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Say which story a line belongs to, and which span if that is followed."""
    if story := STORY.get():
        event.setdefault("correlation_id", mask_text(story))
    if span := current_span():
        event["trace_id"] = f"{span.trace_id:032x}"
        event["span_id"] = f"{span.span_id:016x}"
    return event


def _plain(_logger: Any, _level: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Drop what the standard library's bridge adds for its own use."""
    for key in ("_record", "_from_structlog"):
        event.pop(key, None)
    return event


def configure(service: str, level: str) -> None:
    """Set up structlog and the standard library's logging for a whole program."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    render = structlog.processors.JSONRenderer(ensure_ascii=False)
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        name_story,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        mask_numbers,
        structlog.processors.format_exc_info,
    ]
    libraries = logging.StreamHandler(sys.stderr)
    libraries.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=shared, processors=[_plain, render])
    )
    logging.basicConfig(handlers=[libraries], level=max(threshold, logging.WARNING))
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
