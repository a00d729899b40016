"""What is generated from the contracts is committed, up to date, and only ever added to."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from contracts import schemas
from contracts.call import CallDialing, CallSettled
from contracts.catalogue import asyncapi
from contracts.compatibility import breaks
from contracts.topics import CATALOGUE, every_message

ROOT = Path(__file__).parents[2]
RELEASED = sorted((ROOT / schemas.SCHEMAS / "released").glob("*.json"))


def test_generated_files_are_up_to_date() -> None:
    assert schemas.out_of_date(ROOT) == [], "run `make schemas`"


def test_the_check_says_what_is_out_of_date_and_the_command_mends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert schemas.main([]) == 0
    assert schemas.main(["--check"]) == 0
    topics, old = Path("docs/topics.md"), Path(schemas.SCHEMAS) / "call.gone.json"
    topics.write_text("something else", encoding="utf-8")
    old.write_text("{}", encoding="utf-8")
    capsys.readouterr()
    assert schemas.main(["--check"]) == 1
    assert set(capsys.readouterr().out.splitlines()) == {
        "out of date: docs/topics.md",
        f"out of date: {old}",
    }
    assert schemas.main([]) == 0
    assert not old.exists()
    assert schemas.main(["--check"]) == 0


def test_an_unknown_argument_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert schemas.main(["--chekc"]) == 2
    assert "usage" in capsys.readouterr().err


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = asyncapi(CATALOGUE)
    assert set(document["channels"]) == {topic.name for topic in CATALOGUE}
    for channel in document["channels"].values():
        for type_, message in channel["messages"].items():
            assert message == {"$ref": f"#/components/messages/{type_}"}
            payload = document["components"]["messages"][type_]["payload"]["$ref"]
            assert (ROOT / "docs" / payload).is_file()
    for operation in document["operations"].values():
        assert operation["channel"]["$ref"].removeprefix("#/channels/") in document["channels"]


def test_what_was_released_is_only_added_to() -> None:
    """A release copies the schemas to `released`; before the first there is nothing to keep."""
    now = {message.model_fields["type"].default: message for _, message in every_message()}
    for released in RELEASED:
        assert released.stem in now, "a released type stays; a successor is a new type"
        before = json.loads(released.read_text(encoding="utf-8"))
        assert breaks(before, schemas.schema_of(now[released.stem])) == [], released.stem


@pytest.fixture
def settled() -> dict[str, Any]:
    return schemas.schema_of(CallSettled)


def changed(schema: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a copy, and its part that is the body."""
    after = copy.deepcopy(schema)
    return after, after["$defs"]["CallSettled"]


def test_a_schema_follows_itself() -> None:
    for _, message in every_message():
        schema = schemas.schema_of(message)
        assert breaks(schema, copy.deepcopy(schema)) == []


def test_a_new_optional_field_is_no_break(settled: dict[str, Any]) -> None:
    after, body = changed(settled)
    body["properties"]["trunk"] = {"type": "string", "default": ""}
    assert breaks(settled, after) == []


def test_a_new_value_of_an_enumeration_is_no_break(settled: dict[str, Any]) -> None:
    after, _ = changed(settled)
    after["$defs"]["Outcome"]["enum"].append("machine")
    assert breaks(settled, after) == []


def test_a_lost_field_is_a_break(settled: dict[str, Any]) -> None:
    after, body = changed(settled)
    del body["properties"]["due_at"]
    assert breaks(settled, after) == ["message.data.due_at: is gone"]


def test_a_new_required_field_is_a_break(settled: dict[str, Any]) -> None:
    after, body = changed(settled)
    body["properties"]["trunk"] = {"type": "string"}
    body["required"].append("trunk")
    assert breaks(settled, after) == ["message.data.trunk: is now required"]


def test_a_required_field_that_may_be_absent_is_a_break(settled: dict[str, Any]) -> None:
    after, body = changed(settled)
    body["required"].remove("outcome")
    assert breaks(settled, after) == ["message.data.outcome: may now be absent"]


def test_another_type_of_a_field_is_a_break(settled: dict[str, Any]) -> None:
    after, body = changed(settled)
    body["properties"]["is_success"]["type"] = "string"
    assert breaks(settled, after) == ["message.data.is_success: was boolean, is string"]


def test_a_lost_value_is_a_break(settled: dict[str, Any]) -> None:
    after, _ = changed(settled)
    after["$defs"]["Outcome"]["enum"].remove("busy")
    assert breaks(settled, after) == ["message.data.outcome: the value busy is gone"]


def test_a_break_deep_inside_is_found() -> None:
    before = schemas.schema_of(CallDialing)
    after = copy.deepcopy(before)
    del after["$defs"]["Destination"]["properties"]["address"]
    after["$defs"]["Destination"]["required"].remove("address")
    assert breaks(before, after) == ["message.data.attempt.destination.address: is gone"]
