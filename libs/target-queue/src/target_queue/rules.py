"""The rules that put a target off, and which of them a changed campaign has changed."""

from enum import StrEnum

from contracts.campaign import Campaign


class Rule(StrEnum):
    """What says that a target may not be called now, but later."""

    CALLING_HOURS = "calling_hours"
    DO_NOT_CALL = "do_not_call"
    IN_CALL = "in_call"
    ATTEMPTS_PER_DAY = "attempts_per_day"
    ATTEMPTS_PER_WEEK = "attempts_per_week"
    GATEWAY_PAUSE = "gateway_pause"


def changed_rules(before: Campaign | None, after: Campaign) -> tuple[Rule, ...]:
    """Return the rules by which a campaign judges otherwise than it did, or another did before it.

    Args:
        before: None: it is not known. A new run judges anew: others may have dialed the outdial.
        after: As it is now.
    """
    old, new = _judgement(before), _judgement(after)
    return tuple(rule for rule, words in new.items() if old.get(rule) != words)


def _judgement(campaign: Campaign | None) -> dict[Rule, tuple[object, ...]]:
    if campaign is None:
        return {}
    run = (campaign.outdial_id, campaign.run_number)
    limits = campaign.limits
    return {
        Rule.CALLING_HOURS: (*run, campaign.calling_hours, campaign.calling_zone),
        Rule.ATTEMPTS_PER_DAY: (*run, limits.attempts_per_number_day),
        Rule.ATTEMPTS_PER_WEEK: (*run, limits.attempts_per_number_week),
    }
