"""Which messages are asked for: by header first, by what stands in them only if need be."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from aiokafka import ConsumerRecord

from campaignctl.log import LogRecord

TEST = re.compile(r"\s*([\w.\[\]-]+)\s*(==|!=|<=|>=|<|>|~|\?)\s*(.*?)\s*")
STEP = re.compile(r"[^.\[\]]+")

COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "==": lambda found, wanted: bool(found == wanted),
    "!=": lambda found, wanted: bool(found != wanted),
    "<": lambda found, wanted: bool(found < wanted),
    "<=": lambda found, wanted: bool(found <= wanted),
    ">": lambda found, wanted: bool(found > wanted),
    ">=": lambda found, wanted: bool(found >= wanted),
    "~": lambda found, wanted: re.search(str(wanted), str(found)) is not None,
}


@dataclass(frozen=True, slots=True)
class FieldTest:
    """One test of a field: `data.outcome == busy`; `data.tech_cause ?`: whether it is there."""

    path: tuple[str, ...]
    operator: str
    wanted: Any

    def holds(self, envelope: Mapping[str, Any]) -> bool:
        """Whether an envelope passes; a field that is absent passes no test, not even `!=`."""
        found: Any = envelope
        for step in self.path:
            try:
                found = found[int(step)] if isinstance(found, list) else found[step]
            except (KeyError, IndexError, ValueError, TypeError):
                return False
        if self.operator == "?":
            return True
        try:
            return COMPARE[self.operator](found, self.wanted)
        except TypeError:  # a text is neither more nor less than a number
            return False


def field_test(text: str) -> FieldTest:
    """Return the test that a text names.

    Raises:
        ValueError: It names none.
    """
    match = TEST.fullmatch(text)
    if match is None:
        raise ValueError(
            f"{text!r} is no test: write PATH OPERATOR VALUE, such as data.outcome==busy or "
            "data.hangup_cause>=34; operators: == != < <= > >= ~ (matches), ? (is there)"
        )
    path, operator, value = match.groups()
    try:
        wanted = json.loads(value)
    except ValueError:
        wanted = value
    if operator == "~":
        try:
            re.compile(str(value))
        except re.error as error:
            raise ValueError(f"{value!r} is no regular expression: {error}") from error
        wanted = value
    return FieldTest(tuple(STEP.findall(path)), operator, wanted)


@dataclass(frozen=True, slots=True)
class Filter:
    """What is asked for; everything must hold, empty asks for nothing.

    Attributes:
        types: Wire types; one that ends in `.` or `*` stands for all that begin so.
        subject: The subject, or the story that it belongs to.
        mentions: Ids that must stand in it somewhere: a campaign, a target.
        tests: Of its fields.
    """

    types: Sequence[str] = ()
    subject: str | None = None
    mentions: Sequence[str] = ()
    tests: Sequence[FieldTest] = ()

    def may_take(self, record: ConsumerRecord) -> bool:
        """Whether a record can be asked for, as far as its headers and its key tell."""
        headers = dict(record.headers)
        if self.types and not self._is_of_type(headers.get("ce_type", b"").decode()):
            return False
        if self.subject is None:
            return True
        return self.subject.encode() in (record.key, headers.get("correlationid"))

    def takes(self, record: LogRecord) -> bool:
        """Whether a record is asked for; what cannot be parsed is, unless fields are tested."""
        if self.types and not self._is_of_type(record.type or ""):
            return False
        if self.subject is not None and self.subject not in (record.key, record.correlation_id):
            return False
        if not self.mentions and not self.tests:
            return True
        value = record.value or b""
        if any(one.encode() not in value for one in self.mentions):
            return False
        return not self.tests or self._passes(value)

    def _is_of_type(self, type_: str) -> bool:
        return any(
            type_.startswith(one.rstrip("*")) if one[-1:] in ".*" else type_ == one
            for one in self.types
        )

    def _passes(self, value: bytes) -> bool:
        try:
            envelope = json.loads(value)
        except ValueError:
            return False
        return isinstance(envelope, dict) and all(test.holds(envelope) for test in self.tests)
