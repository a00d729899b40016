"""Which number an address rings: two spellings of one number must count as one."""

import re
from functools import lru_cache

import phonenumbers

USER = re.compile(r"(?:sips?:)?(?P<user>\+[0-9]+)(?:[;:][^@]*)?@", re.IGNORECASE)
KNOWN_AT_ONCE = 65_536


def e164_of(text: str, region: str | None = None) -> str | None:
    """Return the number that a text names, as E.164 with its plus; None if it names none.

    Args:
        text: As people write numbers: `+1 (212) 555-0100`.
        region: Whose national numbers are meant where there is no plus, such as `US`.
    """
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    number.extension = None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=KNOWN_AT_ONCE)
def number_of(address: str) -> str:
    """Return the number that a destination's address rings.

    A SIP address that names a number with its plus (`sip:+12125550100@carrier`) rings that number;
    one that names none stands for itself, in small letters and without its scheme.
    """
    found = USER.match(address)
    text = found["user"] if found else address
    number = e164_of(text) if text.startswith("+") else None
    return number or text.lower().removeprefix("sips:").removeprefix("sip:")
