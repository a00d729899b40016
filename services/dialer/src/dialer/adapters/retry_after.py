"""Retry-After, as HTTP has it: for how long a gateway asks not to be asked again."""

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

UNTOLD = timedelta(seconds=2)
SHORTEST, LONGEST = timedelta(milliseconds=500), timedelta(hours=1)


def pause_of(retry_after: str, at: datetime) -> timedelta:
    """Return the pause that a Retry-After asks for, within bounds; UNTOLD if it cannot be read.

    Args:
        retry_after: Seconds (`120`) or a date (`Mon, 23 Nov 2026 19:00:00 GMT`).
        at: Now, aware; a date counts from it.
    """
    return min(max(_asked_for(retry_after.strip(), at), SHORTEST), LONGEST)


def _asked_for(text: str, at: datetime) -> timedelta:
    if text.isascii() and text.isdigit():
        return timedelta(seconds=min(int(text[:9]), LONGEST.total_seconds()))
    try:
        until = parsedate_to_datetime(text)
    except ValueError:
        return UNTOLD
    return (until if until.tzinfo else until.replace(tzinfo=UTC)) - at
