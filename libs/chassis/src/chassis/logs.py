"""Logs: one JSON object a line, telephone numbers masked above debug level."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

PRIVATE = frozenset({"address", "number", "destination", "caller_id", "source"})
VISIBLE = 4


def mask(number: str) -> str:
    """Return a number of which only the last digits can be read."""
    return "*" * max(0, len(number) - VISIBLE) + number[-VISIBLE:] if len(number) > VISIBLE else "*"


def mask_numbers(
    _logger: Any, level: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Mask what stands under a key that may hold a number, unless the line is for debugging."""
    if level != "debug":
        for key in PRIVATE & event.keys():
            event[key] = mask(str(event[key]))
    return event


def configure(service: str, level: str) -> None:
    """Set up structlog and the standard library's logging for a whole program."""
    threshold = logging.getLevelNamesMapping()[level.upper()]
    logging.basicConfig(
        stream=sys.stderr, level=max(threshold, logging.WARNING), format="%(message)s"
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            mask_numbers,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(ensure_ascii=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service)
