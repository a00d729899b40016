"""Whether a schema may follow another: additive changes only, a break is a new type.

Works on the schemas of `contracts.schemas`: objects, arrays, unions, enumerations and references.
Consumers run ahead of producers and behind them, so both directions must go on to parse.
"""

from collections.abc import Iterator
from typing import Any

Schema = dict[str, Any]
LIMITS = ("pattern", "minimum", "maximum", "exclusiveMinimum", "minItems", "const", "format")


def breaks(before: Schema, after: Schema) -> list[str]:
    """Return what a consumer of `before` would miss in `after`, as sentences; none: compatible."""
    return list(_Comparison(before, after).differences(before, after, "message"))


class _Comparison:
    """Walks two documents side by side; a definition that contains itself is entered once."""

    def __init__(self, before: Schema, after: Schema) -> None:
        self._before = before
        self._after = after
        self._entered: set[str] = set()

    def differences(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        if reference := old.get("$ref"):
            if f"{reference} {new.get('$ref')}" in self._entered:
                return
            self._entered.add(f"{reference} {new.get('$ref')}")
        old, new = _resolved(old, self._before), _resolved(new, self._after)
        if old.get("type") != new.get("type"):
            yield f"{place}: was {old.get('type')}, is {new.get('type')}"
            return
        yield from _limits(old, new, place)
        yield from self._fields(old, new, place)
        yield from self._parts(old, new, place)

    def _fields(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        fields, needed = new.get("properties", {}), new.get("required", ())
        for name, field in old.get("properties", {}).items():
            if name not in fields:
                yield f"{place}.{name}: is gone"
            else:
                yield from self.differences(field, fields[name], f"{place}.{name}")
        for name in needed:
            if name not in old.get("required", ()):
                yield f"{place}.{name}: is now required"
        for name in old.get("required", ()):
            if name in fields and name not in needed:
                yield f"{place}.{name}: may now be absent"

    def _parts(self, old: Schema, new: Schema, place: str) -> Iterator[str]:
        for part in ("items", "additionalProperties"):
            if isinstance(old.get(part), dict) and isinstance(new.get(part), dict):
                yield from self.differences(old[part], new[part], f"{place}[]")
        forms, others = old.get("anyOf", []), new.get("anyOf", [])
        if len(forms) != len(others):
            yield f"{place}: had {len(forms)} forms, has {len(others)}"
            return
        for form, other in zip(forms, others, strict=True):
            yield from self.differences(form, other, place)


def _limits(old: Schema, new: Schema, place: str) -> Iterator[str]:
    for limit in LIMITS:
        if old.get(limit) != new.get(limit):
            yield f"{place}: {limit} was {old.get(limit)}, is {new.get(limit)}"
    for value in old.get("enum", ()):
        if value not in new.get("enum", ()):
            yield f"{place}: the value {value} is gone"


def _resolved(schema: Schema, root: Schema) -> Schema:
    while "$ref" in schema:
        schema = root["$defs"][schema["$ref"].removeprefix("#/$defs/")]
    return schema
