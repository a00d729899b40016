"""What a number does when it is called: the table that the end of the number chooses from.

All times are simulated seconds; `--speed` divides them. The first row that matches decides.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b

from carrier_simulator.causes import ENDING_BY_SIP_STATUS

ANSWER = 200


class Delivery(StrEnum):
    """How the events of a channel reach those who listen."""

    PUNCTUAL = "punctual"
    LATE = "late"
    DOUBLED = "doubled"
    REORDERED = "reordered"
    NEVER = "never"


class Timing(StrEnum):
    """When a digit is pressed."""

    AFTER_ANSWER = "after answer"
    AFTER_PLAYBACK = "after playback"


@dataclass(frozen=True, slots=True)
class Behaviour:
    """One way to behave when called.

    Attributes:
        final: SIP status that ends the ringing, 200 to answer; None to ring for ever.
        is_reached: Whether the far end replies at all.
        rings: Whether it says so (180) before the final status.
        ring_s: Time from the call to the final status.
        is_early: Whether sound (183) comes instead of ringing.
        talk_s: Time from the answer until it hangs up; None to wait for us.
        patience_s: Time of hearing nothing after which it hangs up; None to wait for us.
        digit: The key that it presses, if any.
        digit_at: When it does.
        delivery: How its events are delivered.
        busy_before: Attempts at this number that find it busy first.
        pause_s: Real seconds for which the first request to call it is told to wait; 0: none.
    """

    final: int | None = ANSWER
    is_reached: bool = True
    rings: bool = True
    ring_s: float = 0.0
    is_early: bool = False
    talk_s: float | None = None
    patience_s: float | None = None
    digit: str = ""
    digit_at: Timing = Timing.AFTER_ANSWER
    delivery: Delivery = Delivery.PUNCTUAL
    busy_before: int = 0
    pause_s: int = 0


LISTENS = Behaviour(patience_s=2.0)
BUSY = Behaviour(final=486)
SILENT = Behaviour(final=None, is_reached=False, rings=False)
RINGS_ON = Behaviour(final=None)
MACHINE = Behaviour(ring_s=4.0, talk_s=60.0)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: an ending of the number, its meaning, and what it makes."""

    ending: str
    pattern: str
    meaning: str
    behave: Callable[[re.Match[str]], Behaviour]


def _rings_then_answers(match: re.Match[str]) -> Behaviour:
    talk_s = float(match[2])
    return Behaviour(ring_s=float(match[1]), talk_s=talk_s or None)


def _delivered(delivery: Delivery) -> Callable[[re.Match[str]], Behaviour]:
    return lambda _: replace(LISTENS, ring_s=1.0, delivery=delivery)


def _pressing(timing: Timing) -> Callable[[re.Match[str]], Behaviour]:
    return lambda match: Behaviour(digit=match[1], digit_at=timing)


STATUSES = "|".join(str(status) for status in ENDING_BY_SIP_STATUS)

TABLE: tuple[Row, ...] = (
    Row(
        "7RRTT",
        r"7(\d\d)(\d\d)$",
        "rings RR s, answers, hangs up after TT s (TT=00: waits for us)",
        _rings_then_answers,
    ),
    Row("91D", r"91(\d)$", "answers, presses D after 1 s", _pressing(Timing.AFTER_ANSWER)),
    Row("92D", r"92(\d)$", "the same (by SIP INFO)", _pressing(Timing.AFTER_ANSWER)),
    Row(
        "930",
        r"930$",
        "early media for 2 s, then answers",
        lambda _: Behaviour(ring_s=2.0, rings=False, is_early=True),
    ),
    Row(
        "940",
        r"940$",
        "answering machine: rings 4 s, greets 8 s, beeps, records until 60 s after the answer",
        lambda _: MACHINE,
    ),
    Row(
        "941",
        r"941$",
        "congestion at once, without ringing (34/503)",
        lambda _: Behaviour(final=503, rings=False),
    ),
    Row("942", r"942$", "like 961, each event 3 s late", _delivered(Delivery.LATE)),
    Row("943", r"943$", "like 961, each event twice", _delivered(Delivery.DOUBLED)),
    Row(
        "944",
        r"944$",
        "like 961, events in pairs the wrong way round, the first before the response",
        _delivered(Delivery.REORDERED),
    ),
    Row(
        "945",
        r"945$",
        "never calls back: rings for ever without any event, deaf to the ring timeout; "
        "our DELETE and TIMEOUT(absolute) end it, also without an event",
        lambda _: replace(RINGS_ON, delivery=Delivery.NEVER),
    ),
    Row(
        "946",
        r"946$",
        "like 960, events in pairs the wrong way round: the end comes before the answer",
        lambda _: Behaviour(talk_s=0.0, delivery=Delivery.REORDERED),
    ),
    Row(
        "95N",
        r"95([1-9])$",
        "busy (486) until the Nth attempt at this number, which is answered like 961",
        lambda match: replace(LISTENS, busy_before=int(match[1]) - 1),
    ),
    Row("960", r"960$", "answers and hangs up at once", lambda _: Behaviour(talk_s=0.0)),
    Row(
        "961",
        r"961$",
        "answers, hears all playbacks, hangs up when it has heard nothing for 2 s",
        lambda _: LISTENS,
    ),
    Row(
        "97D",
        r"97(\d)$",
        "answers, presses D 1 s after each playback",
        _pressing(Timing.AFTER_PLAYBACK),
    ),
    Row(
        "98R",
        r"98([1-9])$",
        "the first request is refused: 503, Retry-After R real seconds; then like 961",
        lambda match: replace(LISTENS, pause_s=int(match[1])),
    ),
    Row("180", r"180$", "rings for ever", lambda _: RINGS_ON),
    Row("000", r"000$", "never replies: 18/408 after 32 s", lambda _: SILENT),
    Row(
        "status",
        rf"({STATUSES})$",
        "rings, then that final SIP status: " + STATUSES.replace("|", " "),
        lambda match: Behaviour(final=int(match[1])),
    ),
)

MIX: tuple[tuple[int, str, Behaviour], ...] = (
    (45, "answers and listens", LISTENS),
    (7, "answers and hangs up after 1 s", Behaviour(talk_s=1.0)),
    (8, "answering machine", MACHINE),
    (18, "rings for ever", RINGS_ON),
    (12, "busy", BUSY),
    (3, "unavailable (480)", Behaviour(final=480)),
    (3, "unknown number (404)", Behaviour(final=404)),
    (2, "rejects (603)", Behaviour(final=603)),
    (2, "congestion (503)", Behaviour(final=503, rings=False)),
)
"""Percentages of what any other number does; those that ring do so for 2 to 12 s."""

_HUNDRED = tuple(behaviour for percent, _, behaviour in MIX for _ in range(percent))
_COMPILED = tuple((re.compile(row.pattern), row) for row in TABLE)


def behaviour_of(number: str, *, seed: int) -> Behaviour:
    """Return what a number does: by the table, or for any other by hash of seed and number."""
    for pattern, row in _COMPILED:
        if match := pattern.search(number):
            return row.behave(match)
    digest = blake2b(f"{seed}:{number}".encode(), digest_size=8).digest()
    behaviour = _HUNDRED[int.from_bytes(digest[:4]) % len(_HUNDRED)]
    if behaviour.rings and behaviour.final is not None:
        return replace(behaviour, ring_s=2.0 + digest[4] % 11)
    return behaviour


def explained() -> str:
    """Return the table as text, for --help."""
    rows = [f"  {row.ending:<8}{row.meaning}" for row in TABLE]
    mix = [f"  {percent:>3} %   {meaning}" for percent, meaning, _ in MIX]
    return "\n".join(
        [
            "The end of the dialed number chooses what happens (simulated seconds):",
            *rows,
            "Any other number, by hash of --seed and the number:",
            *mix,
        ]
    )
