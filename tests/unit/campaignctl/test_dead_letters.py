"""Dead letters: which are open, what is wrong with them, and what mends them."""

import json
from pathlib import Path
from typing import Any

import pytest
from campaignctl.deadletters import REDRIVEN, dead_letters, faults, mended
from campaignctl.log import LogRecord
from contracts.topics import CALL_EVENTS, every_message

EXAMPLES = Path(__file__).parents[3] / "libs" / "contracts" / "examples"
DIGIT = (EXAMPLES / "call.events" / "call.digit_pressed.json").read_bytes()


def buried(offset: int, **headers: str) -> tuple[LogRecord, dict[str, str]]:
    record = LogRecord("call.events.dead-letter", 0, offset, 0, "call.digit_pressed", DIGIT, "a")
    return record, {"place": f"call.events/3/{offset}", "why": "malformed", **headers}


def test_what_was_sent_again_is_marked_and_the_rest_is_open() -> None:
    note = buried(9)[0], {REDRIVEN: "call.events/3/1"}
    letters = dead_letters([buried(1), buried(2, cut_from_bytes="70000"), note])
    assert [(one.place, one.is_redriven, one.cut_from) for one in letters] == [
        ("call.events/3/1", True, 0),
        ("call.events/3/2", False, 70_000),
    ]
    assert letters[0].topic is CALL_EVENTS
    assert letters[0].record.topic == "call.events"


def test_a_letter_that_somebody_else_has_buried_is_read_as_far_as_it_goes() -> None:
    foreign = buried(1, place="somewhere", cut_from_bytes="many")
    silent = buried(7)[0], dict[str, str]()
    letters = dead_letters([foreign, silent])
    assert [(one.place, one.stood_at, one.cut_from) for one in letters] == [
        ("somewhere", None, 0),
        ("call.events.dead-letter@7", None, 0),
    ]


def test_a_fault_is_shown_beside_what_the_schema_wants() -> None:
    envelope = json.loads(DIGIT)
    envelope["data"]["digit"] = "eleven"
    (fault,) = faults(CALL_EVENTS, json.dumps(envelope).encode())
    assert fault.path.endswith("digit")
    assert fault.found == "eleven"
    assert fault.wanted["pattern"] == "^[0-9A-D*#]$"


@pytest.mark.parametrize("rubbish", [b"", b"{", b"[]", b'"text"'])
def test_rubbish_has_a_fault(rubbish: bytes) -> None:
    assert faults(CALL_EVENTS, rubbish)


def test_no_example_has_a_fault_and_an_unknown_type_has_one() -> None:
    for topic, message in every_message():
        type_ = message.model_fields["type"].default
        assert not faults(topic, (EXAMPLES / topic.name / f"{type_}.json").read_bytes())
    newer = DIGIT.replace(b"call.digit_pressed", b"call.newer")
    assert [one.path for one in faults(CALL_EVENTS, newer)] == ["type"]


@pytest.mark.parametrize(
    ("sets", "unsets", "expected"),
    [
        (["data.digit=7"], [], {"digit": 7, "rows": [1, 2]}),
        (['data.digit="7"'], [], {"digit": "7", "rows": [1, 2]}),
        (["data.digit=seven"], ["data.rows"], {"digit": "seven"}),
        (["data.rows.1=9"], [], {"digit": 1, "rows": [1, 9]}),
        (["data.new=true"], ["data.rows.0"], {"digit": 1, "rows": [2], "new": True}),
    ],
)
def test_fields_are_set_and_taken_out(sets: list[str], unsets: list[str], expected: Any) -> None:
    value = json.dumps({"data": {"digit": 1, "rows": [1, 2]}}).encode()
    assert json.loads(mended(value, sets, unsets)) == {"data": expected}


@pytest.mark.parametrize(
    ("sets", "unsets"), [(["data"], []), (["a.b=1"], []), ([], ["data.b"]), (["data.a.b=1"], [])]
)
def test_a_mend_that_leads_nowhere_is_refused(sets: list[str], unsets: list[str]) -> None:
    with pytest.raises(ValueError, match=r"nothing|there is no"):
        mended(b'{"data": {"a": 1}}', sets, unsets)
