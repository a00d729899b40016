"""How a number may be written: as E.164, within a SIP address, or apart, as people write it."""

import json
import re
from typing import Any

from chassis.logs import mask
from contracts.target import FORGOTTEN
from target_queue.numbering import number_of

E164 = re.compile(r"\+[1-9][0-9]{6,14}")
BETWEEN = r"[\s().\-/]{0,3}"


class NotANumber(ValueError):
    """What was given is no number as E.164 writes it."""


class Spelling:
    """One number in all its spellings.

    Args:
        number: `+` and the country code, no blanks.

    Attributes:
        listed: As lists and counts name it: without a trunk prefix that does not belong there.

    Raises:
        NotANumber: It is written otherwise.
    """

    def __init__(self, number: str) -> None:
        if not E164.fullmatch(number):
            raise NotANumber(
                "write the number as E.164: + and 7 to 15 digits, such as +12125550100"
            )
        self.number = number
        self.listed = number_of(number)
        apart = "|".join(BETWEEN.join(one[1:]) for one in sorted({number, self.listed}))
        # Neither longer numbers nor parts of an id are meant.
        pattern = rf"(?<![0-9A-Za-z])\+?(?:{apart})(?![0-9A-Za-z])"
        self._in_text = re.compile(pattern)
        self._in_bytes = re.compile(pattern.encode())

    @property
    def masked(self) -> str:
        """The number as a log may show it."""
        return mask(self.number)

    def is_in(self, raw: bytes | None) -> bool:
        """Whether bytes name the number."""
        return raw is not None and self._in_bytes.search(raw) is not None

    def without(self, body: bytes) -> bytes:
        """Return JSON in which no string names the number any more; all else stays."""
        said = json.dumps(self._erased(json.loads(body)), separators=(",", ":"), ensure_ascii=False)
        return said.encode()

    def _erased(self, value: Any) -> Any:
        match value:
            case dict():
                return {key: self._erased(one) for key, one in value.items()}
            case list():
                return [self._erased(one) for one in value]
            case str():
                return self._in_text.sub(FORGOTTEN, value)
            case _:
                return value
