"""`events`, `export` and `replay` as people call them, on recorded logs."""

import gzip
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import phonenumbers
import pytest
from campaignctl.cli import app
from campaignctl.errors import CannotGoOn
from campaignctl.filters import Filter, field_test
from campaignctl.history import Range, read
from campaignctl.log import LogRecord, open_text, read_lines, write_line
from campaignctl.moments import moment
from campaignctl.redacting import Redaction
from dialer.domain.windows import zones_of
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

REPLAYS = Path(__file__).parents[2] / "replays"
DIGITS = REPLAYS / "digits.log.gz"
NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def records_of(path: Path) -> list[LogRecord]:
    return list(read(Range(file=path)))


# ---- events


def test_events_are_counted_by_type() -> None:
    counts = json.loads(run("events", "--log", DIGITS, "--count", "--json").output)
    assert counts["call.digit_pressed"] == 1
    assert sum(counts.values()) == len(records_of(DIGITS))


def test_events_of_a_type_of_a_family_and_of_a_call() -> None:
    def types(*words: str) -> set[str]:
        lines = run("events", "--log", DIGITS, "--json", *words).output.splitlines()
        return {json.loads(line)["type"] for line in lines}

    assert types("--type", "call.settled") == {"call.settled"}
    assert types("--type", "flow.") == {one for one in types() if one.startswith("flow.")}
    attempt = next(str(one.key) for one in records_of(DIGITS) if one.type == "call.dialing")
    assert types("--call", attempt) >= {"call.dialing", "flow.started", "target.changed"}
    assert types("--where", "data.outcome==answered") == {"call.settled"}
    assert types("--tail", "1") == {records_of(DIGITS)[-1].type}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("data.a==1", True), ("data.a != 1", False), ("data.a>=1", True), ("data.a<1", False),
        ("data.b[1].c==x", True), ('data.b[1].c=="x"', True), ("data.b[1].c~^[w-y]$", True),
        ("data.n ?", True), ("data.m ?", False), ("data.m!=1", False), ("data.b>1", False),
        ("data.yes==true", True),
    ],
)  # fmt: skip
def test_a_field_test_says_what_it_means(text: str, holds: bool) -> None:
    envelope = {"data": {"a": 1, "b": [0, {"c": "x"}], "n": None, "yes": True}}
    assert field_test(text).holds(envelope) is holds


@pytest.mark.parametrize("text", ["", "data.a", "==1", "data.a=1", "data.a~("])
def test_what_is_no_test_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match=r"write PATH|no regular"):
        field_test(text)


def test_a_header_decides_before_anything_is_parsed() -> None:
    rubbish = LogRecord("call.events", 0, 0, 0, "call.ringing", b"{", "a", "a")
    assert Filter(types=["call.ringing"]).takes(rubbish)
    assert not Filter(types=["call.settled"]).takes(rubbish)
    assert not Filter(tests=[field_test("data.x==1")]).takes(rubbish)


def test_a_message_that_is_no_json_is_exported_as_it_is_and_redacted_whole(
    tmp_path: Path,
) -> None:
    rubbish = LogRecord("call.events", 0, 0, 0, "call.ringing", b"{\xff +12125550100", "a", "a")
    with open_text(tmp_path / "log.gz", "w") as file:
        write_line(file, rubbish)
    assert list(read_lines(tmp_path / "log.gz")) == [rubbish]
    redacted = Redaction().record(rubbish)
    assert redacted is not None
    assert b"1212" not in (redacted.value or b"")


# ---- moments


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-02T11:00:00Z", NOON - timedelta(hours=1)),
        ("2026-03-02 13:00:00+02:00", NOON - timedelta(hours=1)),
        ("11:59:30", NOON - timedelta(seconds=30)),
        ("12:00:01", NOON - timedelta(days=1) + timedelta(seconds=1)),
        ("15m", NOON - timedelta(minutes=15)),
        ("1.5h", NOON - timedelta(minutes=90)),
        ("2d", NOON - timedelta(days=2)),
    ],
)
def test_a_moment_is_what_people_write(text: str, expected: datetime) -> None:
    assert moment(text, NOON) == expected


@given(st.datetimes(timezones=st.just(UTC)))
def test_any_instant_that_we_print_is_a_moment(at: datetime) -> None:
    assert moment(at.isoformat(), NOON) == at


@pytest.mark.parametrize("text", ["soon", "25:00", "2026-13-01", "m", ""])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="15m"):
        moment(text, NOON)
    assert run("events", "--log", DIGITS, "--since", text or "x").exit_code == 2


# ---- export


def test_a_call_is_exported_with_all_that_its_replay_needs(tmp_path: Path) -> None:
    whole = REPLAYS / "gateway-asks-for-a-pause.log.gz"
    attempt = next(str(one.key) for one in records_of(whole) if one.type == "call.dialing")
    part = tmp_path / "call.log.gz"
    assert run("export", part, "--log", whole, "--attempt", attempt).exit_code == 0
    assert len(records_of(part)) < len(records_of(whole)) / 5
    told = json.loads(run("replay", "--log", part, "--json").output)
    assert told["differences"] == told["unknown"] == []
    assert told["decisions"]["settlement"] == 1


def test_a_stretch_of_time_is_exported_with_the_definitions_and_targets_before_it(
    tmp_path: Path,
) -> None:
    whole = REPLAYS / "stopped-and-started-again.log.gz"
    dialed = [one.timestamp_ms for one in records_of(whole) if one.type == "call.dialing"]
    since = datetime.fromtimestamp(dialed[len(dialed) // 2] / 1000, UTC)
    part = tmp_path / "part.log"
    assert run("export", part, "--log", whole, "--since", since.isoformat()).exit_code == 0
    told = json.loads(run("replay", "--log", part, "--json").output)
    assert told["differences"] == []
    assert {one["why"] for one in told["unknown"]} <= {"the log begins after the attempt did"}
    assert told["decisions"]["destination"] >= len(dialed) // 3


def test_passwords_never_leave(tmp_path: Path) -> None:
    part = tmp_path / "part.log"
    run("export", part, "--log", REPLAYS / "queue-and-agent.log.gz")
    text = part.read_text("utf-8")
    assert "scrypt" not in text
    assert '"password_hash":""' in text


@given(st.from_regex(r"\+[1-9]\d{8,14}", fullmatch=True))
def test_a_redacted_number_has_its_length_and_its_beginning(number: str) -> None:
    redaction = Redaction(b"key")
    made = redaction._value("address", number)
    assert (len(made), made[:5]) == (len(number), number[:5])
    assert redaction._value("address", number) == made
    assert made[-4:] != number[-4:] or Redaction(b"other")._value("address", number) != number


def test_a_redacted_number_of_any_country_is_called_in_the_same_hours() -> None:
    known = map(phonenumbers.example_number, sorted(phonenumbers.SUPPORTED_REGIONS))
    numbers = [
        phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.E164) for one in known if one
    ]
    made = [Redaction(b"key")._value("address", number) for number in numbers]
    assert [zones_of(one, None) for one in made] == [zones_of(one, None) for one in numbers]


def test_redaction_hides_texts_and_keeps_what_decides(tmp_path: Path) -> None:
    redaction = Redaction(b"key")
    body: dict[str, Any] = {
        "name": "Ada", "text": "Hello Ada", "status": "idle", "attempt_id": "a",
        "variables": {"target.name": "Ada", "attempt.number": "1", "voipbin.call.digits": "42"},
    }  # fmt: skip
    made = redaction._value("", body)
    assert made["name"] == made["variables"]["target.name"] != "Ada"
    assert (made["status"], made["attempt_id"]) == ("idle", "a")
    assert made["variables"]["attempt.number"] == "1"
    assert made["variables"]["voipbin.call.digits"] == "42"


# ---- replay


def test_replay_says_what_it_has_decided_and_steps_through_a_call() -> None:
    assert "the same" in run("replay", "--log", DIGITS).output
    steps = run("replay", "--log", DIGITS, "--step", "--json").output.splitlines()
    assert {json.loads(line).get("decision") for line in steps} >= {"settlement", None}


def test_the_state_of_a_moment_is_shown() -> None:
    records = records_of(DIGITS)
    at = {one.type: one.timestamp_ms for one in records}
    before = datetime.fromtimestamp(at["call.settled"] / 1000 - 0.2, UTC).isoformat()
    told = json.loads(run("replay", "--log", DIGITS, "--until", before, "--json").output)
    (row,) = told["campaigns"]
    assert row["campaign"]["status"] == "run"
    assert row["targets"] == {"progressing": 1}
    later = datetime.fromtimestamp(records[-1].timestamp_ms / 1000 + 1, UTC).isoformat()
    (row,) = json.loads(run("replay", "--log", DIGITS, "--until", later, "--json").output)[
        "campaigns"
    ]
    assert (row["campaign"]["status"], row["targets"]) == ("stop", {"done": 1})


@pytest.mark.parametrize("rubbish", [b"hello\n", b"{}\n", b"", gzip.compress(b"{}")[:9]])
def test_a_file_that_is_no_log_is_refused(tmp_path: Path, rubbish: bytes) -> None:
    path = tmp_path / "rubbish.log"
    path.write_bytes(rubbish)
    assert run("replay", "--log", path).exit_code == 2, "1 would say that a decision differs"


def test_a_truncated_file_is_refused_and_not_half_believed(tmp_path: Path) -> None:
    path = tmp_path / "truncated.log.gz"
    path.write_bytes(DIGITS.read_bytes()[:-200])
    with pytest.raises(CannotGoOn, match="cannot be read"):
        records_of(path)
