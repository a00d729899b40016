"""Timelines: names that clients know, pages that lose nothing, cursors that go on."""

from datetime import UTC, datetime, timedelta

import pytest
from campaign_manager.domain.timelines import NAMES, TimelineEvent, page_before, parse_cursor
from contracts.topics import every_message
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
TYPES = {message.model_fields["type"].default for _, message in every_message()}

EVENTS = st.lists(
    st.builds(
        lambda second, source, sequence: TimelineEvent(
            id=f"{source}/a/{sequence}", type="call.ringing", at=NOON + timedelta(seconds=second),
            source=source, sequence=sequence, correlation_id="a", cause=None, body={},
        ),
        st.integers(0, 3), st.sampled_from(["dialer", "flow-runner"]), st.integers(0, 50),
    ),
    unique_by=lambda one: one.id,
)  # fmt: skip


def test_every_name_stands_for_a_message_that_there_is() -> None:
    assert NAMES.keys() <= TYPES


def test_a_change_of_status_is_named_after_the_status() -> None:
    body = {"campaign": {"status": "stopping"}}
    event = TimelineEvent("i", "campaign.status_changed", NOON, "s", 1, "c", None, body)
    assert event.name == "campaign_status_stopping"


@given(EVENTS, st.integers(1, 4))
def test_page_after_page_is_everything_once_newest_first(
    events: list[TimelineEvent], size: int
) -> None:
    shown: list[TimelineEvent] = []
    token = ""
    while True:
        page, token = page_before(events, parse_cursor(token), size)
        shown += page
        if not token:
            break
    assert shown == sorted(events, key=lambda one: one.order, reverse=True)


@pytest.mark.parametrize("text", ["x", "2026|s|1|i", "2026-03-02T12:00:00|s|1|i", "a|b|c|d"])
def test_what_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the API says which field it was
        parse_cursor(text)
