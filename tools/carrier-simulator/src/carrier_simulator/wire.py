"""How things are written on the wire: JSON without spaces, instants as ARI has them."""

import json
from datetime import datetime

encode = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
"""Return a value as JSON; one encoder for all, because making one costs more than using it."""


def instant(at: datetime) -> str:
    """Return an instant as ARI writes it: milliseconds, offset without a colon."""
    return at.isoformat(timespec="milliseconds")[:-6] + "+0000"
