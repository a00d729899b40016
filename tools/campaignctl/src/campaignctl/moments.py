"""Moments as people write them: `2026-11-23T14:03:07Z`, `14:03:07`, `15m` ago."""

import re
from datetime import UTC, datetime, timedelta

AGO = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
UNITS = {"ms": "milliseconds", "s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that a text names; without a zone it is UTC, without a day the last such.

    Raises:
        ValueError: It names none.
    """
    if ago := AGO.fullmatch(text.strip()):
        return now - timedelta(**{UNITS[ago[2]]: float(ago[1])})
    words = text.strip()
    has_day = "-" in words
    if not has_day:
        words = f"{now:%Y-%m-%d}T{words}"
    try:
        at = datetime.fromisoformat(words)
    except ValueError:
        raise ValueError(
            f"{text!r} is no moment: write 2026-11-23T14:03:07Z, 14:03:07, or 15m for a time ago"
        ) from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return at if has_day or at <= now else at - timedelta(days=1)
