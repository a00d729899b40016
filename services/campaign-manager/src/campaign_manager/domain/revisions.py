"""A definition with some of its fields changed; what is not named stays as it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar

from contracts.base import Value

Item = TypeVar("Item", bound=Value)


def revise(before: Item, changes: Mapping[str, Any], at: datetime) -> Item:
    """Return the definition after the changes; the very same one if they change nothing.

    Args:
        before: As it is.
        changes: New values by field, valid ones.
        at: When, aware.
    """
    after = before.model_copy(update=dict(changes))
    return before if after == before else after.model_copy(update={"updated_at": at})


def removed(before: Item, at: datetime) -> Item:
    """Return the definition as deleted."""
    return before.model_copy(update={"deleted_at": at, "updated_at": at})
