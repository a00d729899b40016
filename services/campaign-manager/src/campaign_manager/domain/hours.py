"""Calling hours as clients write them: times of the day, and zones that there are."""

import re
from functools import cache
from zoneinfo import available_timezones

TIME = re.compile(r"(?:([01][0-9]|2[0-3]):([0-5][0-9]))|24:00")
END_OF_DAY = 1440
NO_PLACES = {"Factory", "localtime"}
"""Zones that stand for none, or for wherever the machine is that reads them."""


def minute_of(text: str) -> int | None:
    """Return the minute of the day of a time such as `08:30`; `24:00` is its end, 1440.

    None if it is no time of the day.
    """
    found = TIME.fullmatch(text)
    if found is None:
        return None
    return int(found[1]) * 60 + int(found[2]) if found[1] else END_OF_DAY


def time_of(minute: int) -> str:
    """Return a minute of the day as `08:30`."""
    return f"{minute // 60:02}:{minute % 60:02}"


@cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones() - NO_PLACES)


def is_zone(name: str) -> bool:
    """Whether it is the IANA name of a time zone, such as `America/New_York`."""
    return name in _zones()
