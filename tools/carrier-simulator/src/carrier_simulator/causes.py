"""How calls end: what the far end said, and what ARI reports of it.

Asterisk translates the final SIP status into a Q.850 cause, keeps the status in `tech_cause`, and
gives the `Dial` event a status of its own. The table was observed with Asterisk 22.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Ending:
    """What ARI reports when a channel ends.

    Attributes:
        cause: Q.850 cause of ChannelHangupRequest and ChannelDestroyed; 0 is unknown.
        tech_cause: SIP status, where there was one.
        dial_status: Of the last `Dial` event; empty if there is none.
        is_requested: Whether ChannelHangupRequest precedes the end.
    """

    cause: int
    tech_cause: int | None = None
    dial_status: str = ""
    is_requested: bool = True


ENDING_BY_SIP_STATUS: dict[int, Ending] = {
    301: Ending(16, 301, "NOANSWER"),  # without a usable Contact
    403: Ending(21, 403, "NOANSWER"),
    404: Ending(1, 404, "NOANSWER"),
    408: Ending(18, 408, "NOANSWER"),
    410: Ending(22, 410, "NOANSWER"),
    480: Ending(19, 480, "NOANSWER"),
    484: Ending(28, 484, "NOANSWER"),
    486: Ending(17, 486, "BUSY"),
    487: Ending(127, 487, "NOANSWER"),  # not observed; what the default of the translation gives
    488: Ending(58, 488, "NOANSWER"),
    500: Ending(38, 500, "NOANSWER"),
    502: Ending(27, 502, "NOANSWER"),
    503: Ending(34, 503, "CONGESTION"),
    504: Ending(102, 504, "NOANSWER"),
    600: Ending(17, 600, "BUSY"),
    603: Ending(21, 603, "NOANSWER"),
    604: Ending(1, 604, "NOANSWER"),  # not observed
    607: Ending(127, 607, "NOANSWER"),
    608: Ending(127, 608, "NOANSWER"),
}

RING_TIMEOUT = Ending(19, 480, is_requested=False)
NO_SIP_REPLY = Ending(18, 408, "NOANSWER")
UNRESOLVABLE = Ending(34, 503, "CONGESTION")
FAR_END_HUNG_UP = Ending(0)
ABSOLUTE_TIMEOUT = Ending(0)
NOBODY_LISTENS = Ending(16)

NO_SIP_REPLY_S = 32.0
"""Seconds after which SIP gives an unanswered INVITE up (timer B)."""

TECH_CAUSE_BY_REASON_CODE: dict[int, int] = {34: 503}
"""The reason codes of a DELETE that were seen to give a SIP status."""

CALL_RECORD_BY_DIAL_STATUS: dict[str, str] = {
    "": "NO ANSWER",
    "NOANSWER": "NO ANSWER",
    "BUSY": "BUSY",
    "CONGESTION": "CONGESTION",
}

CAUSE_TEXT: dict[int, str] = {
    0: "Unknown",
    1: "Unallocated (unassigned) number",
    16: "Normal Clearing",
    17: "User busy",
    18: "No user responding",
    19: "User alerting, no answer",
    21: "Call Rejected",
    22: "Number changed",
    27: "Destination out of order",
    28: "Invalid number format",
    34: "Circuit/channel congestion",
    38: "Network out of order",
    58: "Bearer capability not available",
    102: "Recover on timer expiry",
    127: "Interworking, unspecified",
}


def hung_up_by_us(reason_code: int) -> Ending:
    """Return the ending of a channel that a DELETE with this reason code ended."""
    return Ending(reason_code, TECH_CAUSE_BY_REASON_CODE.get(reason_code))
