"""One example message per type: each parses, goes around unchanged, and fits its schema."""

import json
from pathlib import Path
from typing import Any

import pytest
from contracts.base import Message, Unrecognized
from contracts.topics import CATALOGUE, Topic, every_message
from jsonschema import Draft202012Validator
from pydantic import ValidationError

LIBRARY = Path(__file__).parents[2] / "libs" / "contracts"
MESSAGES = list(every_message())
each_message = pytest.mark.parametrize(
    ("topic", "message"), MESSAGES, ids=[message.__name__ for _, message in MESSAGES]
)
each_topic = pytest.mark.parametrize("topic", CATALOGUE, ids=lambda topic: topic.name)


def type_of(message: type[Message]) -> str:
    type_: str = message.model_fields["type"].default
    return type_


def example(topic: Topic, message: type[Message]) -> dict[str, Any]:
    path = LIBRARY / "examples" / topic.name / f"{type_of(message)}.json"
    envelope: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return envelope


def encoded(envelope: dict[str, Any]) -> bytes:
    return json.dumps(envelope).encode()


@each_message
def test_an_example_parses_to_its_class(topic: Topic, message: type[Message]) -> None:
    envelope = topic.adapter().validate_json(encoded(example(topic, message)))
    assert type(envelope.body) is message
    assert envelope.type == envelope.body.type == type_of(message)


@each_message
def test_an_example_comes_back_as_it_was(topic: Topic, message: type[Message]) -> None:
    original = example(topic, message)
    envelope = topic.adapter().validate_json(encoded(original))
    assert topic.adapter().validate_json(envelope.encode()) == envelope
    assert json.loads(envelope.encode()) == original


@each_message
def test_an_example_fits_its_schema(topic: Topic, message: type[Message]) -> None:
    """By a validator that is not ours, as a consumer in another language has it."""
    schema = json.loads((LIBRARY / "schemas" / f"{type_of(message)}.json").read_text("utf-8"))
    Draft202012Validator.check_schema(schema)
    Draft202012Validator(schema).validate(example(topic, message))


@each_message
def test_unknown_fields_of_a_known_type_are_ignored(topic: Topic, message: type[Message]) -> None:
    original = example(topic, message)
    later = {**original, "tracestate": "x", "data": {**original["data"], "added_later": [1]}}
    adapter = topic.adapter()
    assert adapter.validate_json(encoded(later)) == adapter.validate_json(encoded(original))
    schema = json.loads((LIBRARY / "schemas" / f"{type_of(message)}.json").read_text("utf-8"))
    Draft202012Validator(schema).validate(later)


@each_message
def test_a_malformed_message_of_a_known_type_is_refused(
    topic: Topic, message: type[Message]
) -> None:
    original = example(topic, message)
    required = [name for name, field in message.model_fields.items() if field.is_required()]
    for name in required:
        body = {key: value for key, value in original["data"].items() if key != name}
        with pytest.raises(ValidationError, match=name):
            topic.adapter().validate_json(encoded({**original, "data": body}))


@each_topic
def test_an_unknown_type_is_a_value_that_keeps_its_fields(topic: Topic) -> None:
    original = example(topic, next(message for of, message in MESSAGES if of is topic))
    body = {"type": "order.placed.v2", "number": 7, "lines": [{"price": 1}]}
    strange = {**original, "type": "order.placed.v2", "data": body}
    envelope = topic.adapter().validate_json(encoded(strange))
    assert isinstance(envelope.body, Unrecognized)
    assert json.loads(envelope.encode())["data"] == body


@each_topic
def test_an_envelope_without_its_attributes_is_refused(topic: Topic) -> None:
    original = example(topic, next(message for of, message in MESSAGES if of is topic))
    for name in ("id", "source", "type", "subject", "time", "correlationid", "sequence", "data"):
        lacking = {key: value for key, value in original.items() if key != name}
        with pytest.raises(ValidationError, match=name):
            topic.adapter().validate_json(encoded(lacking))


@pytest.mark.parametrize("time", ["2026-01-15T09:00:00", "yesterday"])
def test_an_instant_without_a_zone_is_refused(time: str) -> None:
    topic, message = MESSAGES[0]
    with pytest.raises(ValidationError, match="time"):
        topic.adapter().validate_json(encoded({**example(topic, message), "time": time}))


@each_message
def test_messages_do_not_change(topic: Topic, message: type[Message]) -> None:
    envelope = topic.adapter().validate_json(encoded(example(topic, message)))
    for value, name in ((envelope, "sequence"), (envelope.body, "type")):
        with pytest.raises(ValidationError, match="frozen"):
            setattr(value, name, "other")


def test_the_examples_tell_one_story() -> None:
    """One customer, one campaign, one attempt; whoever is said to be a cause was told before."""
    told = [example(topic, message) for topic, message in MESSAGES]
    assert len({envelope["customerid"] for envelope in told}) == 1
    stories = {e["correlationid"] for e in told if e["type"].startswith(("call.", "flow."))}
    assert len(stories - {e["subject"] for e in told if e["type"] == "flow.changed"}) == 1
    assert len({envelope["id"] for envelope in told}) == len(told)
    at = {envelope["id"]: envelope["time"] for envelope in told}
    for envelope in told:
        cause = envelope.get("causationid")
        if cause in at:
            assert at[cause] <= envelope["time"], envelope["type"]


def test_no_example_is_of_a_message_that_is_gone() -> None:
    present = {path.relative_to(LIBRARY / "examples") for path in LIBRARY.glob("examples/*/*")}
    assert present == {Path(topic.name) / f"{type_of(message)}.json" for topic, message in MESSAGES}
