"""What the oracles say of the promises."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from campaignctl.verification.ledgers import Ledgers


class Promise(StrEnum):
    """What the engine promises, in a few words."""

    P1 = "one ring per attempt"
    P2 = "one outcome per target"
    P3 = "stop means stop"
    P5 = "every call tells its story"
    P6 = "limits are hard"
    P7 = "what is acknowledged is durable"


class Word(StrEnum):
    """The verdict on a promise."""

    OK = "ok"
    VIOLATED = "violated"
    CANNOT_SAY = "cannot say"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, kw_only=True)
class Violation:
    """A promise that was not kept, and what proves it.

    Attributes:
        what: The whole of it in one sentence, with its instants.
        campaign_ids: Whose calls; none: it cannot be told.
        instants: Those that prove it, in the order in which the sentence has them.
        oracle, promise: Whose finding it is; the rule's, set by `verify`.
    """

    what: str
    campaign_ids: tuple[str, ...] = ()
    attempt_ids: tuple[str, ...] = ()
    target_id: str | None = None
    instants: tuple[datetime, ...] = ()
    oracle: str = ""
    promise: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return asdict(self) | {"instants": [at.isoformat() for at in self.instants]}


@dataclass(frozen=True)
class Doubt:
    """Why something cannot be said; of one campaign, or of all."""

    why: str
    campaign_id: str | None = None


Finding = Violation | Doubt


@dataclass(frozen=True)
class Rule:
    """One oracle's question about one promise.

    Attributes:
        claim: What holds if nothing is found.
        judge: Finds violations, and what cannot be said; pure.
        checked: Says in a few words what was looked at.
        is_asked: Whether the ledgers were chosen so that it is a question at all.
    """

    oracle: str
    promise: Promise
    claim: str
    judge: Callable[[Ledgers], Iterable[Finding]]
    checked: Callable[[Ledgers], str]
    is_asked: Callable[[Ledgers], bool] = lambda _: True


@dataclass(frozen=True)
class Verdict:
    """What one rule has found."""

    rule: Rule
    word: Word
    checked: str
    violations: tuple[Violation, ...] = ()
    doubts: tuple[Doubt, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "oracle": self.rule.oracle,
            "promise": self.rule.promise.name,
            "claim": self.rule.claim,
            "verdict": self.word.value,
            "checked": self.checked,
            "violations": [violation.as_json() for violation in self.violations],
            "doubts": [asdict(doubt) for doubt in self.doubts],
        }


@dataclass(frozen=True)
class Verdicts:
    """What all rules have found, in their order.

    Attributes:
        figures: How much was looked at.
    """

    each: tuple[Verdict, ...]
    figures: dict[str, int]

    @property
    def word(self) -> Word:
        """The worst of all."""
        return worst(verdict.word for verdict in self.each)

    @property
    def is_ok(self) -> bool:
        """Whether all that was asked could be said, and holds."""
        return self.word is Word.OK

    @property
    def violations(self) -> tuple[Violation, ...]:
        """All of them."""
        return tuple(found for verdict in self.each for found in verdict.violations)

    @property
    def doubts(self) -> tuple[str, ...]:
        """All that cannot be said, and why, once each."""
        return tuple(dict.fromkeys(d.why for verdict in self.each for d in verdict.doubts))

    def of(self, promise: Promise) -> Word:
        """Return the verdict on a promise."""
        return worst(verdict.word for verdict in self.each if verdict.rule.promise is promise)

    def __str__(self) -> str:
        """Return all that is not ok as lines, for a test that fails."""
        return "\n".join([*self._lines()]) or "ok"

    def _lines(self) -> Iterator[str]:
        for found in self.violations:
            yield f"{found.promise} {found.oracle} violated: {found.what}"
        for why in self.doubts:
            yield f"cannot say: {why}"


def worst(words: Iterable[Word]) -> Word:
    """Return the word that outweighs the others; a violation outweighs all."""
    said = set(words)
    weight = (Word.VIOLATED, Word.CANNOT_SAY, Word.OK)
    return next((word for word in weight if word in said), Word.NOT_ASKED)
