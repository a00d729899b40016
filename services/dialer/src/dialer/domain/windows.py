"""Calling windows: whether it is a time to call where the called party is, and when it next is.

An instant is inside a window when the clock on the called party's wall says so. Where the number
does not tell one zone, it must be so in every zone that it could be; where it tells none, nobody
can know, and so nobody calls. The rules of zones are a table as well as any other.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from contracts.campaign import CallingHours, Campaign, Weekday
from phonenumbers.timezone import (
    UNKNOWN_TIMEZONE,
    time_zones_for_geographical_number,
    time_zones_for_number,
)
from target_queue.numbering import number_of

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
DAYS_AHEAD = 8
RECHECK_AFTER = timedelta(hours=1)
WEEKDAYS = tuple(Weekday)

Hours = tuple[CallingHours, ...]
Zones = tuple[ZoneInfo, ...]


def zones_of(address: str, override: str | None) -> Zones:
    """Return the zones in which the party at an address may be; none if that cannot be told.

    Args:
        address: Where a destination is called: an E.164 number or a SIP URI.
        override: IANA name of the zone that counts instead.
    """
    return _zones_named((override,)) if override else _zones_of_number(number_of(address))


@lru_cache(maxsize=65_536)
def _zones_of_number(number: str) -> Zones:
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return ()
    names = time_zones_for_number(parsed)
    if UNKNOWN_TIMEZONE in names:  # no number that is in use: it could be anywhere in its country
        anywhere = phonenumbers.PhoneNumber(parsed.country_code, national_number=0)
        names = time_zones_for_geographical_number(anywhere)
    return _zones_named(tuple(names))


@lru_cache(maxsize=4096)
def _zones_named(names: tuple[str, ...]) -> Zones:
    """All or none: a zone that cannot be read could be the one that counts."""
    try:
        return tuple(ZoneInfo(name) for name in names if name != UNKNOWN_TIMEZONE)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ()


def opening_of(campaign: Campaign, address: str, at: datetime) -> datetime | None:
    """Return None if a campaign may call an address now, else when to ask again."""
    if campaign.calling_hours is None:
        return None
    return next_opening(campaign.calling_hours, zones_of(address, campaign.calling_zone), at)


def next_opening(hours: Hours, zones: Zones, at: datetime) -> datetime | None:
    """Return None if calls may begin now, else the instant (UTC) from which they may.

    Where no opening can be found within eight days, or no zone is known, it is an instant to ask
    again.

    Args:
        hours: The windows; a call may begin inside any of them.
        zones: Where the called party may be: it must be a time to call in each of them.
        at: Now, aware.
    """
    if not zones:
        return at.astimezone(UTC) + RECHECK_AFTER
    # Zones and windows turn at full minutes, so one answer holds for the whole minute.
    return _next_opening(hours, zones, at.astimezone(UTC).replace(second=0, microsecond=0))


@lru_cache(maxsize=8192)
def _next_opening(hours: Hours, zones: Zones, at: datetime) -> datetime | None:
    windows = _by_weekday(hours)
    if _are_open(windows, zones, at):
        return None
    for ahead in range(DAYS_AHEAD):
        begin, end = at + ahead * DAY, at + (ahead + 1) * DAY
        turns = {turn for zone in zones for turn in _turns(windows, zone, begin, end)}
        for turn in sorted(turn for turn in turns if begin < turn <= end):
            if _are_open(windows, zones, turn):
                return turn
    return at + RECHECK_AFTER


Windows = tuple[tuple[tuple[int, int], ...], ...]


@lru_cache(maxsize=4096)
def _by_weekday(hours: Hours) -> Windows:
    """Return the windows of each day, Monday first, as minutes of the day."""
    return tuple(
        tuple((one.opens_minute, one.closes_minute) for one in hours if day in one.days)
        for day in WEEKDAYS
    )


def _are_open(windows: Windows, zones: Zones, at: datetime) -> bool:
    for zone in zones:
        there = at.astimezone(zone)
        minute = there.hour * 60 + there.minute
        if not any(opens <= minute < closes for opens, closes in windows[there.weekday()]):
            return False
    return True


def _turns(windows: Windows, zone: ZoneInfo, begin: datetime, end: datetime) -> Iterator[datetime]:
    """Yield every instant at which a window may open in a zone, and some at which none does."""
    day, last = begin.astimezone(zone).date(), end.astimezone(zone).date()
    while day <= last:
        for opens, _ in windows[day.weekday()]:
            yield from _instants(zone, day, opens)
        day += DAY
    if begin.astimezone(zone).utcoffset() != end.astimezone(zone).utcoffset():
        yield _change_of_clocks(zone, begin, end)


def _instants(zone: ZoneInfo, day: date, minute: int) -> Iterator[datetime]:
    """Yield the instants at which a clock shows a time: two when it is put back in between."""
    shown = datetime.combine(day, time(minute // 60, minute % 60), tzinfo=zone)
    for fold in (0, 1):
        yield shown.replace(fold=fold).astimezone(UTC)


def _change_of_clocks(zone: ZoneInfo, begin: datetime, end: datetime) -> datetime:
    """Return the first minute of the new time, given that clocks change in between."""
    before = begin.astimezone(zone).utcoffset()
    low, high = 0, (end - begin) // MINUTE
    while high - low > 1:
        middle = (low + high) // 2
        if (begin + middle * MINUTE).astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return begin + high * MINUTE
