"""What holds of limits: rate, lines, hours, lists, attempts per number, and the stop."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator
from datetime import datetime, timedelta

from contracts.campaign import Campaign
from dialer.domain.windows import opening_of
from target_queue.numbering import number_of

from campaignctl.verification.ledgers import SLACK, History, Ledgers, Ring, Story
from campaignctl.verification.verdicts import Doubt, Finding, Violation

SECOND = timedelta(seconds=1)
MOMENT = timedelta(microseconds=1)
DAY, WEEK = timedelta(days=1), timedelta(days=7)


def calls_per_second(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: no rolling second sees more originations of a campaign than its limit."""
    for id_, rings in ledgers.rings_of.items():
        history = _exact(ledgers, id_, rings)
        if isinstance(history, Doubt):
            yield history
            continue
        times = [ring.at for ring in rings]
        for place, ring in enumerate(rings):
            count = place + 1 - bisect_left(times, ring.at - SECOND + MOMENT)
            cap = max(_caps(history, ring, lambda c: c.limits.calls_per_second), default=0)
            if count > cap:
                yield _violation(f"{count} calls in a rolling second, {cap} allowed", ring)


def calls_per_second_of_callers(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: the same for each caller id, over all campaigns of a customer."""
    by_caller: defaultdict[Hashable, list[tuple[Ring, int]]] = defaultdict(list)
    for id_, rings in ledgers.rings_of.items():
        history = _exact(ledgers, id_, rings)
        if isinstance(history, Doubt):
            yield history
            continue
        for ring in rings:
            caps = _caps(history, ring, _caller_cap)
            if caps:
                key = history.latest.customer_id, _caller(history.latest)
                by_caller[key].append((ring, max(caps)))
    for pairs in by_caller.values():
        pairs.sort(key=lambda pair: pair[0].at)
        times = [ring.at for ring, _ in pairs]
        for place, (ring, cap) in enumerate(pairs):
            count = place + 1 - bisect_left(times, ring.at - SECOND + MOMENT)
            if count > cap:
                yield _violation(f"{count} calls of one caller id in a second, {cap} allowed", ring)


def concurrent_calls(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: at no instant has a campaign more calls than its limit."""
    for id_, rings in ledgers.rings_of.items():
        history = _exact(ledgers, id_, rings)
        if isinstance(history, Doubt):
            yield history
            continue
        ends = sorted(end for ring in rings if (end := ledgers.end_of(ring.story)) is not None)
        open_ = [ring for ring in rings if ledgers.end_of(ring.story) is not None]
        for place, ring in enumerate(open_):
            count = place + 1 - bisect_left(ends, ring.at + MOMENT)
            cap = max(_caps(history, ring, lambda c: c.limits.max_concurrent_calls), default=0)
            if count > cap:
                yield _violation(f"{count} calls at once, {cap} allowed", ring)


def calling_hours(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: nobody is called outside the hours of the campaign."""
    for id_, rings in ledgers.rings_of.items():
        history = _whole(ledgers, id_)
        if isinstance(history, Doubt):
            yield history
            continue
        for ring in rings:
            versions = history.in_force(ring.at - SLACK, ring.origination.until)
            instants = (ring.at, ring.origination.until)
            if all(opening_of(one, ring.story.address, at) for one in versions for at in instants):
                yield _violation("rang outside the calling hours", ring)


def do_not_call(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: no number is called a second or more after it came on a do-not-call list."""
    for ring in ledgers.rings:
        key = ring.story.customer_id, number_of(ring.story.address)
        before = [one for one in ledgers.log.listings.get(key, ()) if one.known_at <= ring.at]
        is_late = before and before[-1].is_listed and ring.at > before[-1].known_at + SLACK
        if is_late:
            yield _violation("rang though its number is on a do-not-call list", ring)


def attempts_per_number(ledgers: Ledgers) -> Iterator[Finding]:
    """O6: no number has more attempts in a day or a week than the campaigns with a limit allow."""
    for pairs in _limited(ledgers).values():
        times = [ring.at for ring, _ in pairs]
        for place, (ring, campaign) in enumerate(pairs):
            for span, cap in _spans(campaign):
                count = place + 1 - bisect_left(times, ring.at - span + SLACK)
                if count > cap:
                    what = f"{count} attempts at its number within {span.days} days, {cap} allowed"
                    yield _violation(what, ring)


def _limited(ledgers: Ledgers) -> dict[Hashable, list[tuple[Ring, Campaign]]]:
    """Return the calls under a limit by number, each with its campaign as it was then."""
    by_number: defaultdict[Hashable, list[tuple[Ring, Campaign]]] = defaultdict(list)
    for ring in ledgers.rings:
        history = ledgers.log.histories.get(ring.story.campaign_id)
        versions = history.in_force(ring.at - SLACK, ring.at) if history else []
        for campaign in versions[-1:]:
            if any(_spans(campaign)):
                key = ring.story.customer_id, number_of(ring.story.address)
                by_number[key].append((ring, campaign))
    return by_number


def _spans(campaign: Campaign) -> Iterator[tuple[timedelta, int]]:
    limits = campaign.limits
    if limits.attempts_per_number_day is not None:
        yield DAY, limits.attempts_per_number_day
    if limits.attempts_per_number_week is not None:
        yield WEEK, limits.attempts_per_number_week


def stop_means_stop(ledgers: Ledgers) -> Iterator[Finding]:
    """O7: nothing rings a second or more after the stop of its run was told."""
    for id_, rings in ledgers.rings_of.items():
        history = _whole(ledgers, id_)
        if isinstance(history, Doubt):
            yield history
            continue
        stops = history.stops()
        for ring in rings:
            stopped_at = stops.get(ring.story.run_number)
            if stopped_at is not None and ring.at > stopped_at + SLACK:
                yield _violation(f"rang after the stop at {stopped_at:%X.%f}", ring)


def _caps(history: History, ring: Ring, cap_of: Callable[[Campaign], int | None]) -> list[int]:
    """Return the limits that may have been in force in the second before a call."""
    versions = history.in_force(ring.at - SECOND - SLACK, ring.at)
    return [cap for version in versions if (cap := cap_of(version)) is not None]


def _caller_cap(campaign: Campaign) -> int | None:
    return campaign.outplan.source_calls_per_second if campaign.outplan else None


def _caller(campaign: Campaign) -> str:
    source = campaign.outplan.source if campaign.outplan else None
    return source.target if source else ""


def _exact(ledgers: Ledgers, campaign_id: str, rings: list[Ring]) -> History | Doubt:
    """Return the life of a campaign whose calls have exact instants."""
    if not all(ring.origination.is_exact for ring in rings):
        return Doubt("call records tell whole seconds only: give the journal", campaign_id)
    return _whole(ledgers, campaign_id)


def _whole(ledgers: Ledgers, campaign_id: str) -> History | Doubt:
    """Return the life of a campaign; if some of it is missing, nobody can say what held when."""
    history = ledgers.log.histories.get(campaign_id)
    if history is None or not history.is_whole:
        why = f"the log has not kept all that happened to campaign {campaign_id}"
        return Doubt(why, campaign_id)
    return history


def _violation(what: str, ring: Ring) -> Violation:
    story: Story = ring.story
    at: datetime = ring.at
    return Violation(
        what=f"attempt {story.attempt_id} at {at:%X.%f}: {what}",
        campaign_ids=(story.campaign_id,),
        attempt_ids=(story.attempt_id,),
        target_id=story.target_id or None,
        instants=(at,),
    )
