"""Which spellings of a number are meant, and by when what names it is gone."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from campaignctl import rights_page
from campaignctl.forgetting import Goes, NotANumber, Spelling, Trace
from campaignctl.forgetting.remains import gone_by_compaction, gone_by_time, last_of
from contracts.topics import CALL_EVENTS, CATALOGUE, RESOURCE_EVENTS

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
NOON_MS = int(NOON.timestamp() * 1000)
DAY = timedelta(days=1)
DAYS_MS = 24 * 3600 * 1000


@pytest.fixture
def spelling() -> Spelling:
    return Spelling("+12125550100")


@pytest.mark.parametrize(
    "given", ["", "493012345678", "+0125550199", "+49 30 1234567", "+49", "+4" * 9, "sip:ann@x"]
)
def test_what_is_no_number_is_refused_and_not_repeated(given: str) -> None:
    with pytest.raises(NotANumber) as refused:
        Spelling(given)
    assert not given or given not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["+12125550100", "12125550100", "sip:+12125550100@carrier", "call +1 (212) 555-0100 first",
     "1.212.555.0100", '{"address":"+12125550100"}', "customer-1/+12125550100"],
)  # fmt: skip
def test_a_number_is_found_however_it_is_written(text: str, spelling: Spelling) -> None:
    assert spelling.is_in(text.encode())


@pytest.mark.parametrize(
    "text", ["+121255501001", "+112125550100", "+12125550101", "a12125550100", "12125550100f", ""]
)
def test_another_number_and_a_part_of_an_id_are_not(text: str, spelling: Spelling) -> None:
    assert not spelling.is_in(text.encode())


def test_a_number_goes_out_of_every_text_and_nothing_else_does(spelling: Spelling) -> None:
    body = {
        "a": ["+12125550100", 12125550100, None],
        "b": {"c": "ask 1 212 555 0100 or +12125550199"},
    }
    after = json.loads(spelling.without(json.dumps(body).encode()))
    assert after == {
        "a": ["forgotten", 12125550100, None],
        "b": {"c": "ask forgotten or +12125550199"},
    }


def test_only_the_last_digits_are_shown(spelling: Spelling) -> None:
    assert spelling.masked == "********0100"


def test_what_is_kept_for_a_time_goes_with_its_segment() -> None:
    config = {"retention.ms": str(30 * DAYS_MS), "segment.ms": str(7 * DAYS_MS)}
    assert gone_by_time(config, NOON_MS) == NOON + 37 * DAY
    assert gone_by_time({"retention.ms": "-1"}, NOON_MS) is None, "it is kept for ever"


def test_what_was_replaced_goes_when_the_topic_must_be_compacted() -> None:
    config = {"max.compaction.lag.ms": str(7 * DAYS_MS), "delete.retention.ms": str(DAYS_MS)}
    assert gone_by_compaction(config, NOON_MS) == NOON + 7 * DAY
    assert gone_by_compaction(config, NOON_MS, is_key=True) == NOON + 15 * DAY
    assert gone_by_compaction({}, NOON_MS) is None, "nobody can tell"
    assert gone_by_compaction({"max.compaction.lag.ms": str(2**63 - 1)}, NOON_MS) is None


def test_the_last_trace_decides_and_a_kept_one_does_not_count() -> None:
    soon, late = (
        Trace("a", 1, Goes.BY_TIME, NOON + DAY),
        Trace("b", 1, Goes.BY_COMPACTION, NOON + 2 * DAY),
    )
    kept = Trace("lists", 1, Goes.ON_LIST)
    assert last_of([soon, late, kept]) == NOON + 2 * DAY
    assert last_of([soon, Trace("c", 1, Goes.BY_HAND)]) is None
    assert last_of([kept]) is None


# ---- rights


def test_the_page_of_rights_is_up_to_date() -> None:
    assert (ROOT / rights_page.PAGE).read_text("utf-8") == rights_page.page(), "run `make schemas`"


def test_rights_follow_the_catalogue() -> None:
    assert rights_page.rights("dialer", CALL_EVENTS) == ("Write",)
    assert rights_page.rights("campaign-manager", CALL_EVENTS) == ("Read", "Write"), "its relay"
    assert rights_page.rights("flow-runner", RESOURCE_EVENTS) == ("Read",)
    for topic in CATALOGUE:
        for producer in topic.producers:
            if producer != "anyone":
                assert "Write" in rights_page.rights(producer, topic)


def test_a_number_is_found_as_the_lists_have_it_too() -> None:
    """They leave a trunk prefix out that does not belong there."""
    spelling = Spelling("+110340000170101")
    assert spelling.listed == "+10340000170101"
    for named in ("+110340000170101", "+10340000170101"):
        assert spelling.is_in(f'"{named}"'.encode())
    assert not spelling.is_in(b'"+210340000170101"')
