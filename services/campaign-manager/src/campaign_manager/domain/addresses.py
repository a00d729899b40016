"""Addresses as clients write them: which kinds there are, and which of them can be dialed."""

import re

E164 = re.compile(r"\+[1-9][0-9]{4,14}")
SIP = re.compile(r"(sips?:)?[^\s@:]+(:[^\s@]*)?@[^\s@]+|sips?:[^\s@]+")
DIALABLE = ("tel", "sip")
KINDS = frozenset(
    (
        *DIALABLE, "agent", "ai", "ai_team", "conference", "email", "extension", "line", "webchat",
        "web_session", "whatsapp",
    )
)  # fmt: skip


def kind_of(kind: str, target: str) -> str:
    """Return the kind of an address; a client may leave it out where the target shows it."""
    return kind or ("tel" if E164.fullmatch(target) else "sip")


def fault_of(kind: str, target: str, *, must_dial: bool = True) -> str | None:
    """Return what is wrong with an address, or None.

    Args:
        kind: `tel`, `sip` ...
        target: The number or URI.
        must_dial: Only kinds that a call can reach are right.
    """
    if kind not in (DIALABLE if must_dial else KINDS):
        return "the type is not known" if kind not in KINDS else "only tel and sip can be dialed"
    if kind == "tel" and not E164.fullmatch(target):
        return "is not an E.164 number such as +15551234567"
    if kind == "sip" and not SIP.fullmatch(target):
        return "is not a SIP address such as sip:ann@example.com"
    return None
