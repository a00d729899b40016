"""What the end of a call meant: the cause table.

Asterisk gives the Q.850 cause and, for SIP, the final status in `tech_cause`. The status says more,
so it is asked first. A call that was answered was answered, whatever ended it.
Source: Q.850; RFC 3398, section 7.2.6; observed with Asterisk 22.
"""

from contracts.call import Outcome

BY_SIP_STATUS: dict[int, Outcome] = {
    404: Outcome.FAILED,
    408: Outcome.NO_ANSWER,
    410: Outcome.FAILED,
    480: Outcome.NO_ANSWER,
    484: Outcome.FAILED,
    486: Outcome.BUSY,
    487: Outcome.CANCELLED,
    403: Outcome.REJECTED,
    600: Outcome.BUSY,
    603: Outcome.REJECTED,
    604: Outcome.FAILED,
    607: Outcome.REJECTED,
    608: Outcome.REJECTED,
}

BY_HANGUP_CAUSE: dict[int, Outcome] = {
    16: Outcome.CANCELLED,  # normal clearing before an answer is no success
    17: Outcome.BUSY,
    18: Outcome.NO_ANSWER,
    19: Outcome.NO_ANSWER,
    20: Outcome.NO_ANSWER,
    21: Outcome.REJECTED,
    26: Outcome.CANCELLED,  # answered elsewhere
}


def outcome_of(*, hangup_cause: int, tech_cause: int | None, was_answered: bool) -> Outcome:
    """Return what the end of a call meant; what no table names has failed."""
    if was_answered:
        return Outcome.ANSWERED
    if tech_cause in BY_SIP_STATUS:
        return BY_SIP_STATUS[tech_cause]
    if tech_cause:
        return Outcome.FAILED
    return BY_HANGUP_CAUSE.get(hangup_cause, Outcome.FAILED)
