"""`${name}` in any string of an option becomes the variable's value; an unknown one is empty."""

import re
from typing import Any

PLACEHOLDER = re.compile(r"\$\{([^}]*)\}")


def substitute(value: Any, variables: dict[str, str]) -> Any:
    """Return the value with every placeholder replaced, at any depth."""
    if isinstance(value, str):
        if "${" not in value:
            return value
        return PLACEHOLDER.sub(lambda found: variables.get(found[1].strip(), ""), value)
    if isinstance(value, dict):
        return {key: substitute(item, variables) for key, item in value.items()}
    if isinstance(value, list):
        return [substitute(item, variables) for item in value]
    return value
