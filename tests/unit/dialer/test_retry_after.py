"""How a gateway's Retry-After is read: seconds, a date, or nothing that can be."""

from datetime import UTC, datetime, timedelta

import pytest
from dialer.adapters.retry_after import LONGEST, SHORTEST, UNTOLD, pause_of

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("said", "pause"),
    [
        ("2", timedelta(seconds=2)),
        (" 30 ", timedelta(seconds=30)),
        ("Mon, 23 Nov 2026 12:00:05 GMT", timedelta(seconds=5)),
        ("Mon, 23 Nov 2026 12:00:05 -0000", timedelta(seconds=5)),
        ("Mon, 23 Nov 2026 13:00:07 +0100", timedelta(seconds=7)),
        ("", UNTOLD),
        ("soon", UNTOLD),
        ("-3", UNTOLD),
        ("²", UNTOLD),
        ("0", SHORTEST),
        ("Mon, 23 Nov 2026 11:00:00 GMT", SHORTEST),
        ("9" * 400, LONGEST),
        ("Tue, 23 Nov 2027 12:00:00 GMT", LONGEST),
    ],
)
def test_a_pause_is_what_the_gateway_says_within_bounds(said: str, pause: timedelta) -> None:
    assert pause_of(said, NOON) == pause
