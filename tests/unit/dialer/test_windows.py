"""Calling windows: exact edges, days on which clocks change, numbers whose zone is not known."""

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from contracts.campaign import CallingHours, Campaign, Weekday
from dialer.domain.windows import Hours, next_opening, opening_of, zones_of
from hypothesis import assume, given, settings
from hypothesis import strategies as st

EVERY_DAY = tuple(Weekday)
NEW_YORK = ZoneInfo("America/New_York")
LOS_ANGELES = ZoneInfo("America/Los_Angeles")
ZONES = tuple(
    map(
        ZoneInfo,
        (
            "America/New_York", "America/Los_Angeles", "Europe/London", "Asia/Kathmandu",
            "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "UTC",
        ),
    )
)  # fmt: skip
MINUTE = timedelta(minutes=1)


def window(opens: str, closes: str, *days: Weekday) -> CallingHours:
    def minute(text: str) -> int:
        hour, _, rest = text.partition(":")
        return int(hour) * 60 + int(rest)

    return CallingHours(
        days=days or EVERY_DAY, opens_minute=minute(opens), closes_minute=minute(closes)
    )


EIGHT_TO_NINE = (window("08:00", "21:00"),)


def local(text: str, zone: ZoneInfo = NEW_YORK, fold: int = 0) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=zone, fold=fold)


def is_open(hours: tuple[CallingHours, ...], zones: tuple[ZoneInfo, ...], at: datetime) -> bool:
    """The rule said once more, as plainly as it can be."""
    for zone in zones:
        there = at.astimezone(zone)
        day, minute = EVERY_DAY[there.weekday()], there.hour * 60 + there.minute
        if not any(day in h.days and h.opens_minute <= minute < h.closes_minute for h in hours):
            return False
    return True


# ---- edges


@pytest.mark.parametrize(
    "time", ["08:00:00", "08:00:01", "12:00:00", "20:59:59", "20:59:59.999999"]
)
def test_calls_may_begin_inside_the_window(time: str) -> None:
    assert next_opening(EIGHT_TO_NINE, (NEW_YORK,), local(f"2026-01-15T{time}")) is None


@pytest.mark.parametrize(
    ("now", "opening"),
    [
        ("2026-01-15T07:59:59.999999", "2026-01-15T08:00"),
        ("2026-01-15T21:00:00", "2026-01-16T08:00"),
        ("2028-02-28T23:00:00", "2028-02-29T08:00"),
        ("2028-02-29T21:00:00", "2028-03-01T08:00"),
        ("2026-12-31T22:00:00", "2027-01-01T08:00"),
    ],
)
def test_calls_wait_outside_until_it_opens(now: str, opening: str) -> None:
    assert next_opening(EIGHT_TO_NINE, (NEW_YORK,), local(now)) == local(opening)


def test_a_window_may_last_until_midnight_and_go_on_after_it() -> None:
    hours = (window("20:00", "24:00"), window("00:00", "01:00"))
    for time in ("15T23:59:59", "16T00:00:00", "16T00:59:59"):
        assert next_opening(hours, (NEW_YORK,), local(f"2026-01-{time}")) is None
    assert next_opening(hours, (NEW_YORK,), local("2026-01-16T01:00")) == local("2026-01-16T20:00")


def test_a_day_may_have_several_windows() -> None:
    hours = (window("14:00", "18:00"), window("09:00", "12:00"))
    assert next_opening(hours, (NEW_YORK,), local("2026-01-15T12:00")) == local("2026-01-15T14:00")
    assert next_opening(hours, (NEW_YORK,), local("2026-01-15T08:00")) == local("2026-01-15T09:00")


def test_a_window_of_one_day_opens_a_week_later() -> None:
    hours = (window("08:00", "09:00", Weekday.THU),)
    assert next_opening(hours, (NEW_YORK,), local("2026-01-15T09:00")) == local("2026-01-22T08:00")


# ---- clocks that change


def test_hours_that_the_clock_leaves_out_begin_where_it_goes_on() -> None:
    """On 8 March 2026 New York has no time from 02:00 to 03:00."""
    hours = (window("02:30", "04:00"),)
    assert next_opening(hours, (NEW_YORK,), local("2026-03-08T01:00")) == local("2026-03-08T03:00")
    only_inside = (window("02:10", "02:50"),)
    found = next_opening(only_inside, (NEW_YORK,), local("2026-03-08T01:00"))
    assert found == local("2026-03-09T02:10")


def test_hours_that_the_clock_shows_twice_open_twice() -> None:
    """On 1 November 2026 New York has the time from 01:00 to 02:00 twice."""
    hours = (window("01:00", "01:30"),)
    again = datetime(2026, 11, 1, 6, tzinfo=UTC)
    assert next_opening(hours, (NEW_YORK,), local("2026-11-01T01:15")) is None
    assert next_opening(hours, (NEW_YORK,), local("2026-11-01T01:45")) == again
    assert next_opening(hours, (NEW_YORK,), local("2026-11-01T01:15", fold=1)) is None


def test_an_opening_is_a_day_or_not_quite_a_day_away_when_clocks_change() -> None:
    for evening, morning, hours in (("03-07", "03-08", 10), ("10-31", "11-01", 12)):
        found = next_opening(EIGHT_TO_NINE, (NEW_YORK,), local(f"2026-{evening}T21:00"))
        assert found == local(f"2026-{morning}T08:00")
        waited = found.astimezone(UTC) - local(f"2026-{evening}T21:00").astimezone(UTC)
        assert waited == timedelta(hours=hours)


# ---- several zones, or none


def test_where_the_zone_is_open_to_doubt_it_must_be_time_in_all_of_them() -> None:
    coasts = (NEW_YORK, LOS_ANGELES)
    assert next_opening(EIGHT_TO_NINE, coasts, local("2026-01-15T09:00")) == local(
        "2026-01-15T11:00"
    )
    assert next_opening(EIGHT_TO_NINE, coasts, local("2026-01-15T20:59:59")) is None
    assert next_opening(EIGHT_TO_NINE, coasts, local("2026-01-15T21:00")) == local(
        "2026-01-16T11:00"
    )


def test_what_never_opens_everywhere_is_asked_again_within_an_hour() -> None:
    at = local("2026-01-15T12:00")
    far_apart = (NEW_YORK, ZoneInfo("Asia/Tokyo"))
    assert next_opening((window("12:00", "13:00"),), far_apart, at) == at + timedelta(hours=1)


def test_without_any_zone_nobody_calls() -> None:
    at = local("2026-01-15T12:00")
    assert next_opening((window("00:00", "24:00"),), (), at) == at + timedelta(hours=1)


@pytest.mark.parametrize(
    ("address", "names"),
    [
        ("+12125550100", {"America/New_York"}),
        ("sip:+12125550100@carrier.example", {"America/New_York"}),
        ("+442071234567", {"Europe/London"}),
        ("+81312345678", {"Asia/Tokyo"}),
    ],
)
def test_a_number_tells_its_zone(address: str, names: set[str]) -> None:
    assert {zone.key for zone in zones_of(address, None)} == names


@pytest.mark.parametrize("address", ["+18005550100", "+15550100011", "+15551234567"])
def test_a_number_without_a_place_could_be_anywhere_in_its_country(address: str) -> None:
    names = {zone.key for zone in zones_of(address, None)}
    assert {"America/New_York", "Pacific/Honolulu", "America/Puerto_Rico"} <= names


def test_a_mobile_number_is_not_taken_for_one_of_the_capital() -> None:
    names = {zone.key for zone in zones_of("+61412345678", None)}
    assert {"Australia/Sydney", "Australia/Perth"} <= names


@pytest.mark.parametrize("address", ["sip:ann@example.com", "+999123456", "+870773111632", "", "+"])
def test_what_tells_no_place_has_no_zone(address: str) -> None:
    assert zones_of(address, None) == ()


def test_a_campaign_may_say_which_zone_counts() -> None:
    assert zones_of("+442071234567", "America/New_York") == (NEW_YORK,)
    assert zones_of("sip:ann@example.com", "America/New_York") == (NEW_YORK,)
    assert zones_of("+442071234567", "Mars/Olympus") == ()


def a_campaign(hours: Hours | None, zone: str | None) -> Campaign:
    return Campaign(
        campaign_id="c",
        customer_id="u",
        calling_hours=hours,
        calling_zone=zone,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )


@pytest.mark.parametrize(
    ("address", "zone"),
    [
        ("+12125550100", "Mars/Olympus"),  # of a newer table of zones than ours
        ("+12125550100", "../../etc/passwd"),
        ("+12125550100", "America"),
        ("sip:ann@example.com", None),
        ("+999123456", None),
    ],
)
def test_a_rule_that_cannot_be_evaluated_puts_off(address: str, zone: str | None) -> None:
    at = local("2026-01-15T12:00")
    all_day = a_campaign((window("00:00", "24:00"),), zone)
    assert opening_of(all_day, address, at) == at + timedelta(hours=1)


@pytest.mark.parametrize("zone", [None, "Mars/Olympus"])
def test_a_campaign_without_hours_may_call_at_any(zone: str | None) -> None:
    assert opening_of(a_campaign(None, zone), "+12125550100", local("2026-01-15T03:00")) is None


def test_weekdays_are_those_of_the_called_party() -> None:
    """On Friday evening in New York it is Saturday in Tokyo, and not yet in Los Angeles."""
    weekdays = tuple(day for day in Weekday if day not in {Weekday.SAT, Weekday.SUN})
    campaign = a_campaign((window("00:00", "24:00", *weekdays),), None)
    friday = local("2026-01-16T20:00")
    assert opening_of(campaign, "+12125550100", friday) is None
    monday_in_tokyo = local("2026-01-19T00:00", ZoneInfo("Asia/Tokyo"))
    assert opening_of(campaign, "+81312345678", friday) == monday_in_tokyo


# ---- laws


@st.composite
def windows(draw: st.DrawFn) -> CallingHours:
    opens = draw(st.integers(0, 1439))
    return CallingHours(
        days=tuple(draw(st.sets(st.sampled_from(EVERY_DAY), min_size=1))),
        opens_minute=opens,
        closes_minute=draw(st.integers(opens + 1, 1440)),
    )


HOURS = st.lists(windows(), min_size=1, max_size=3).map(tuple)
SETS_OF_ZONES = st.sets(st.sampled_from(ZONES), min_size=1, max_size=3).map(tuple)
# Around the days on which clocks change, and a leap day.
DAYS = st.sampled_from(
    [
        datetime(*day, tzinfo=UTC)
        for day in ((2026, 3, 7), (2026, 10, 31), (2026, 4, 4), (2028, 2, 28))
    ]
)
INSTANTS = st.builds(lambda day, s: day + timedelta(seconds=s), DAYS, st.integers(0, 4 * 86_400))


@given(HOURS, SETS_OF_ZONES, INSTANTS)
def test_none_means_open_now_and_only_that(
    hours: tuple[CallingHours, ...], zones: tuple[ZoneInfo, ...], at: datetime
) -> None:
    assert (next_opening(hours, zones, at) is None) == is_open(hours, zones, at)


@given(HOURS, SETS_OF_ZONES, INSTANTS)
@settings(max_examples=60, deadline=None)
def test_what_is_returned_is_open_and_nothing_before_it_is(
    hours: tuple[CallingHours, ...], zones: tuple[ZoneInfo, ...], at: datetime
) -> None:
    found = next_opening(hours, zones, at)
    assume(found is not None)
    assert found is not None
    has_opening = is_open(hours, zones, found)
    if not has_opening:
        assert found <= at + timedelta(hours=1)
    until = found if has_opening else at.replace(second=0) + timedelta(days=8)
    moment = at.replace(second=0) + MINUTE
    while moment < until:
        assert not is_open(hours, zones, moment), moment
        moment += MINUTE


def test_one_opening_follows_another() -> None:
    """Walk a year from opening to closing to opening, and meet every day of it once."""
    at = local("2026-01-01T00:00")
    openings: list[date] = []
    while len(openings) < 366:
        opening = next_opening(EIGHT_TO_NINE, (NEW_YORK,), at)
        assert opening is not None
        openings.append(opening.astimezone(NEW_YORK).date())
        at = opening + timedelta(hours=13)
    assert all(after - before == timedelta(days=1) for before, after in pairwise(openings))
