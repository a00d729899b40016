"""All that is asked of the ledgers, and who answers for which promise."""

from dataclasses import replace

from campaignctl.verification import calls, limits
from campaignctl.verification.ledgers import Ledgers
from campaignctl.verification.verdicts import (
    Doubt,
    Promise,
    Rule,
    Verdict,
    Verdicts,
    Violation,
    Word,
)


def _has_journal(ledgers: Ledgers) -> bool:
    return ledgers.originations is not None


def _has_answers(ledgers: Ledgers) -> bool:
    return ledgers.answers is not None


def _rings(ledgers: Ledgers) -> str:
    return f"{len(ledgers.rings):,} calls"


def _stories(ledgers: Ledgers) -> str:
    return f"{len(ledgers.log.stories):,} attempts, {len(ledgers.log.targets):,} targets"


RULES = (
    Rule("O1", Promise.P1, "no attempt rang twice", calls.one_ring_per_attempt, _rings,
         _has_journal),
    Rule("O3", Promise.P2, "attempts are as many, and as far apart, as the outplan says",
         calls.attempts_by_the_outplan, _stories),
    Rule("O4", Promise.P2, "each attempt and each target has one end", calls.one_end_per_target,
         _stories),
    Rule("O7", Promise.P3, "nothing rang a second after a stop", limits.stop_means_stop, _rings,
         _has_journal),
    Rule("O5", Promise.P5, "the network and the log tell of the same calls",
         calls.journal_is_log, _rings, _has_journal),
    Rule("O2", Promise.P6, "no number had two calls at a time", calls.one_call_per_number, _rings,
         _has_journal),
    Rule("O6", Promise.P6, "calls per second of each campaign", limits.calls_per_second, _rings,
         _has_journal),
    Rule("O6", Promise.P6, "calls per second of each caller id",
         limits.calls_per_second_of_callers, _rings, _has_journal),
    Rule("O6", Promise.P6, "calls at once of each campaign", limits.concurrent_calls, _rings,
         _has_journal),
    Rule("O6", Promise.P6, "calling hours", limits.calling_hours, _rings, _has_journal),
    Rule("O6", Promise.P6, "do-not-call lists", limits.do_not_call, _rings, _has_journal),
    Rule("O6", Promise.P6, "attempts per number", limits.attempts_per_number, _rings,
         _has_journal),
    Rule("A=K", Promise.P7, "the API shows what Kafka has", calls.api_is_log,
         lambda ledgers: f"{len(ledgers.answers or {})} campaigns", _has_answers),
)  # fmt: skip


def verify(ledgers: Ledgers) -> Verdicts:
    """Return what every rule finds; pure."""
    return Verdicts(
        each=tuple(_judged(rule, ledgers) for rule in RULES),
        figures={
            "messages": ledgers.log.messages,
            "campaigns": len(ledgers.asked),
            "attempts": len(ledgers.log.stories),
            "targets": len(ledgers.log.targets),
            "calls": len(ledgers.rings),
        },
    )


def _judged(rule: Rule, ledgers: Ledgers) -> Verdict:
    if not rule.is_asked(ledgers):
        return Verdict(rule, Word.NOT_ASKED, "")
    asked = set(ledgers.asked)
    violations: list[Violation] = []
    doubts: dict[str, Doubt] = {}
    for found in rule.judge(ledgers):
        if isinstance(found, Doubt):
            if found.campaign_id is None or found.campaign_id in asked:
                doubts.setdefault(found.why, found)
        elif not found.campaign_ids or asked & set(found.campaign_ids):
            violations.append(replace(found, oracle=rule.oracle, promise=rule.promise.name))
    word = Word.VIOLATED if violations else Word.CANNOT_SAY if doubts else Word.OK
    return Verdict(rule, word, rule.checked(ledgers), tuple(violations), tuple(doubts.values()))
