"""Dead letters: what nobody could handle, why, what would mend it, and what was sent again.

A dead letter that was sent again stays where it is: the topic is only written behind. A note in the
same topic says which place it stood at.
"""

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contracts.base import Unrecognized
from contracts.topics import CATALOGUE, Topic
from pydantic import ValidationError

from campaignctl.log import LogRecord

TOPICS = {topic.name: topic for topic in CATALOGUE}
DEAD = tuple(replace(topic, name=topic.dead_letter, partitions=1) for topic in CATALOGUE)
"""The topics of dead letters."""
REDRIVEN = "redriven"
BRANCHES = ("known", "unrecognized")
PLACE = re.compile(r"[^/]+/(\d+)/(\d+)")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One message that was set aside.

    Attributes:
        place: Where it stood: topic/partition/offset, if it says so.
        why: What was wrong with it.
        record: The message, as one of the topic where it stood.
        cut_from: Bytes that it had, if only its beginning was kept; else 0.
        is_redriven: It has been sent again.
    """

    place: str
    why: str
    record: LogRecord
    cut_from: int = 0
    is_redriven: bool = False

    @property
    def stood_at(self) -> tuple[int, int] | None:
        """The partition and the offset where it stood; None: it does not say."""
        found = PLACE.fullmatch(self.place)
        return (int(found[1]), int(found[2])) if found else None

    @property
    def topic(self) -> Topic:
        """Where it belongs."""
        return TOPICS[self.record.topic]


def dead_letters(found: Iterable[tuple[LogRecord, dict[str, str]]]) -> list[DeadLetter]:
    """Return the dead letters, given the records of their topics with their headers."""
    letters: dict[str, DeadLetter] = {}
    sent_again: set[str] = set()
    for record, headers in found:
        if REDRIVEN in headers:
            sent_again.add(headers[REDRIVEN])
            continue
        topic = record.topic.removesuffix(".dead-letter")
        place = headers.get("place", f"{record.topic}@{record.offset}")
        letters[place] = DeadLetter(
            place=place,
            why=headers.get("why", "it does not say"),
            record=record._replace(topic=topic),
            cut_from=int(cut) if (cut := headers.get("cut_from_bytes", "")).isdecimal() else 0,
        )
    return [replace(one, is_redriven=one.place in sent_again) for one in letters.values()]


@dataclass(frozen=True, slots=True)
class Fault:
    """What the schema of a message says against it."""

    path: str
    says: str
    found: Any
    wanted: Any


def faults(topic: Topic, value: bytes | None) -> list[Fault]:
    """Return what is wrong with a message by the schema of its topic; none: it can be read."""
    adapter = topic.adapter()
    try:
        envelope = adapter.validate_json(value or b"")
    except ValidationError as error:
        schema = adapter.json_schema(by_alias=True)
        return [
            Fault(
                path=".".join(map(str, _plain(row["loc"]))),
                says=row["msg"],
                found=row.get("input"),
                wanted=_wanted(schema, row["loc"]),
            )
            for row in error.errors(include_url=False)
        ]
    if isinstance(envelope.body, Unrecognized):
        return [Fault("type", "nobody knows this type", envelope.type, list(topic.types))]
    return []


def _plain(place: Sequence[int | str]) -> list[int | str]:
    """Return the place of a fault as it is in the message, without the branches of unions."""
    return [one for one in place if one not in BRANCHES and "." not in str(one)]


def _wanted(schema: dict[str, Any], place: Sequence[int | str]) -> Any:
    """Return what the schema says of a field, as far as its place can be followed."""
    part: Any = schema
    for step in place:
        if step in BRANCHES:
            continue
        part = next((found for one in _options(schema, part) if (found := _below(one, step))), None)
        if part is None:
            return None
    return _resolved(schema, part)


def _options(schema: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield what a part may be, through all unions."""
    part = _resolved(schema, part)
    branches = part.get("anyOf") or part.get("oneOf")
    if not branches:
        yield part
    for branch in branches or ():
        yield from _options(schema, branch)


def _below(part: dict[str, Any], step: int | str) -> Any:
    """Return what lies one step below a part; the tag of a union is the part that has it."""
    properties = part.get("properties", {})
    if "." in str(step):
        return part if properties.get("type", {}).get("const") == step else None
    return part.get("items") if isinstance(step, int) else properties.get(step)


def _resolved(schema: dict[str, Any], part: dict[str, Any]) -> dict[str, Any]:
    reference = part.get("$ref")
    if not reference:
        return part
    found: dict[str, Any] = schema.get("$defs", {}).get(reference.rpartition("/")[2], {})
    return found


def mended(value: bytes, sets: Sequence[str], unsets: Sequence[str]) -> bytes:
    """Return a message with fields set and others taken out.

    Args:
        value: The message.
        sets: Each `path=value`; a value that is no JSON is a text.
        unsets: Paths.

    Raises:
        ValueError: It is no JSON object, or a path leads nowhere.
    """
    envelope = json.loads(value)
    for one in sets:
        path, equals, text = one.partition("=")
        if not equals:
            raise ValueError(f"{one!r} sets nothing: write path=value, such as data.digit=1")
        try:
            wanted = json.loads(text)
        except ValueError:
            wanted = text
        holder, name = _holder(envelope, path)
        holder[name] = wanted
    for path in unsets:
        holder, name = _holder(envelope, path)
        try:
            del holder[name]
        except (KeyError, IndexError) as error:
            raise ValueError(f"there is no {path}") from error
    return json.dumps(envelope, ensure_ascii=False).encode()


def _holder(envelope: Any, path: str) -> tuple[Any, Any]:
    """Return what holds the field of a path, and the field's name in it."""
    *steps, last = path.split(".")
    holder = envelope
    for step in steps:
        try:
            holder = holder[int(step)] if isinstance(holder, list) else holder[step]
        except (KeyError, IndexError, ValueError, TypeError) as error:
            raise ValueError(f"there is no {path}") from error
    if not isinstance(holder, dict | list):
        raise ValueError(f"there is no {path}")
    return holder, int(last) if isinstance(holder, list) else last
