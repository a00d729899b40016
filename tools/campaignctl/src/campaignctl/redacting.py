"""Numbers and texts replaced, each always by the same: the structure stays, the people do not.

A number keeps its length, its time zones, so that hours are judged as before, and as much of its
beginning as these need. The
keys that a party has pressed stay: they decide what the flow does.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable
from typing import Any

from contracts.topics import NUMBER_EVENTS
from dialer.domain.windows import zones_of

from campaignctl.log import LogRecord

KEPT_DIGITS, HIDDEN_DIGITS = 5, 4
TRIES = 40
NUMBERS = frozenset({"address", "target", "destination"})
TEXTS = frozenset({
    "name", "detail", "data", "target_name", "text", "username", "media_url", "stream_urls",
})  # fmt: skip
"""Names of the fields, and last words of the names of variables, whose strings are replaced."""
VARIABLES = "variables"


class Redaction:
    """One consistent replacement of everything private.

    Args:
        key: Decides what replaces what; drawn by chance when left out, so that nobody can find
            the originals by trying.
    """

    def __init__(self, key: bytes | None = None) -> None:
        self._key = key or secrets.token_bytes(16)
        self._known: dict[tuple[str, str], str] = {}

    def record(self, record: LogRecord) -> LogRecord | None:
        """Return a record without numbers and texts; None: it is about nothing else."""
        if record.topic == NUMBER_EVENTS.name:
            return None
        if record.value is None:
            return record
        try:
            envelope = json.loads(record.value)
            private = envelope["data"]
        except (ValueError, TypeError, KeyError):
            return record._replace(value=b"redacted")  # nobody knows what is private in it
        envelope["data"] = self._value("", private)
        return record._replace(value=json.dumps(envelope, ensure_ascii=False).encode())

    def _value(self, name: str, value: Any) -> Any:
        match value:
            case dict() if name == VARIABLES:
                return {key: self._value(key.rpartition(".")[2], one) for key, one in value.items()}
            case dict():
                return {key: self._value(key, one) for key, one in value.items()}
            case list():
                return [self._value(name, one) for one in value]
            case str() if value and name in NUMBERS:
                return self._once("number", value, self._number)
            case str() if value and name in TEXTS:
                return self._once("text", value, self._text)
            case _:
                return value

    def _once(self, kind: str, value: str, make: Callable[[str], str]) -> str:
        known = self._known.get((kind, value))
        if known is None:
            known = self._known[kind, value] = make(value)
        return known

    def _text(self, text: str) -> str:
        return f"text-{self._hash(text)[:10]}"

    def _number(self, number: str) -> str:
        if not re.fullmatch(r"\+?\d+", number):
            return f"sip:party-{self._hash(number)[:10]}@redacted.invalid"
        zones = zones_of(number, None)
        for kept in range(KEPT_DIGITS, max(KEPT_DIGITS, len(number) - HIDDEN_DIGITS) + 1):
            for attempt in range(TRIES):
                digits = str(int(self._hash(f"{number}/{attempt}"), 16))
                made = f"{number[:kept]}{digits[kept - len(number) :]}"[: len(number)]
                if zones_of(made, None) == zones:
                    return made
        return made

    def _hash(self, text: str) -> str:
        return hashlib.blake2b(text.encode(), key=self._key, digest_size=16).hexdigest()
