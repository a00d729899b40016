"""What holds of calls: one ring per attempt, one end per target, and three witnesses that agree."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise

from contracts.call import Outcome
from contracts.campaign import StatusCause
from contracts.target import TargetStatus
from target_queue.numbering import number_of

from campaignctl.verification.ledgers import SLACK, History, Ledgers, Ring, Shown, Story
from campaignctl.verification.verdicts import Doubt, Finding, Violation

CLOCKS = timedelta(milliseconds=100)
"""How far the clocks of two programs on one machine may be apart, and a step on the way take."""
SHOWN_WITHIN = timedelta(seconds=5)
"""How long after Kafka has it the API shows a call."""
UNRUNG = {Outcome.CANCELLED, Outcome.AMBIGUOUS, Outcome.FAILED}
"""Outcomes that an attempt may have though it never rang."""


def one_ring_per_attempt(ledgers: Ledgers) -> Iterator[Finding]:
    """O1: no attempt is originated twice, and no two attempts of a target have one number."""
    rung: dict[object, Ring] = {}
    for ring in ledgers.rings:
        story = ring.story
        names: list[object] = [story.attempt_id]
        if ledgers.counts(story) and story.created_at is not None:
            names.append((story.target_id, story.slot, story.attempt_number))
        for name in names:
            before = rung.setdefault(name, ring)
            if before is not ring:
                yield _of(
                    "an attempt was originated twice"
                    if name == story.attempt_id
                    else f"attempt {story.attempt_number} of a target was made twice",
                    before,
                    ring,
                )


def one_call_per_number(ledgers: Ledgers) -> Iterator[Finding]:
    """O2: no number has two calls at a time."""
    by_number: defaultdict[tuple[str, str], list[Ring]] = defaultdict(list)
    for ring in ledgers.rings:
        by_number[ring.story.customer_id, ring.origination.number].append(ring)
    for rings in by_number.values():
        for before, after in pairwise(rings):
            end = ledgers.end_of(before.story)
            if end is None:
                why = f"nobody knows when the call of attempt {before.story.attempt_id} ended"
                yield Doubt(why, before.story.campaign_id)
            elif after.origination.until < end and after.story is not before.story:
                yield _of("a number had two calls at a time", before, after)


def attempts_by_the_outplan(ledgers: Ledgers) -> Iterator[Finding]:
    """O3: no target has more attempts than its outplan allows, nor one before its interval."""
    for target_id, tries in ledgers.tries_of.items():
        counted = [story for story in tries if ledgers.counts(story)]
        yield from _too_many(ledgers, target_id, counted)
        for before, after in pairwise(counted):
            yield from _too_soon(ledgers, before, after)
        for before, after in pairwise(tries):
            yield from _out_of_turn(before, after)


def _too_many(ledgers: Ledgers, target_id: str, tries: list[Story]) -> Iterator[Finding]:
    by_slot: defaultdict[int, list[Story]] = defaultdict(list)
    for story in tries:
        by_slot[story.slot].append(story)
    for slot, stories in by_slot.items():
        plans = [
            version.campaign.outplan.max_attempts[slot]
            for id_ in {story.campaign_id for story in stories}
            if (history := ledgers.log.histories.get(id_)) is not None
            for version in history.versions
            if version.campaign.outplan is not None
        ]
        if plans and len(stories) > max(plans):
            yield Violation(
                what=f"target {target_id} had {len(stories)} attempts at destination {slot}; "
                f"its outplan allows {max(plans)}",
                campaign_ids=_campaigns(*stories),
                attempt_ids=tuple(story.attempt_id for story in stories),
                target_id=target_id,
            )


def _too_soon(ledgers: Ledgers, before: Story, after: Story) -> Iterator[Finding]:
    history = ledgers.log.histories.get(before.campaign_id)
    if history is None or not before.settlements or after.created_at is None:
        return
    ended = before.settlements[0].at
    intervals = [
        campaign.outplan.try_interval_ms
        for campaign in history.in_force(ended - SLACK, after.created_at)
        if campaign.outplan is not None
    ]
    due = ended + timedelta(milliseconds=min(intervals, default=0))
    if after.created_at < due - CLOCKS:
        yield Violation(
            what=f"attempt {after.attempt_id} began at {after.created_at:%X.%f}, before its "
            f"interval was over at {due:%X.%f}",
            campaign_ids=_campaigns(before, after),
            attempt_ids=(before.attempt_id, after.attempt_id),
            target_id=after.target_id,
            instants=(after.created_at, due),
        )


def _out_of_turn(before: Story, after: Story) -> Iterator[Finding]:
    """Find an attempt beside one that is open, or after one that was a success."""
    end = before.settlements[0] if before.settlements else None
    if end is not None and end.is_success:
        yield _story(f"was made though attempt {before.attempt_id} was a success", after)
    elif end is None or (after.created_at and end.at > after.created_at + CLOCKS):
        yield _story(f"was made while attempt {before.attempt_id} was open", after)


def one_end_per_target(ledgers: Ledgers) -> Iterator[Finding]:
    """O4: each attempt is settled once, and nothing of a campaign that has stopped is open."""
    asked = set(ledgers.asked)
    for story in ledgers.log.stories.values():
        if story.campaign_id not in asked:
            continue
        history = ledgers.log.histories[story.campaign_id]
        if len(story.settlements) > 1:
            yield _story("was settled more than once", story)
        elif not story.settlements and history.is_stopped and story.intended_at:
            yield _story("is open though its campaign has stopped", story)
    for id_ in asked:
        yield from _unfinished(ledgers, ledgers.log.histories[id_])


def _unfinished(ledgers: Ledgers, history: History) -> Iterator[Finding]:
    """Find targets that were lost: in call after the stop, or waiting after the last was done."""
    if not history.is_stopped:
        return
    is_exhausted = history.versions[-1].cause is StatusCause.EXHAUSTED
    over_at = history.exhausted_at.get(history.latest.run_number)
    for target in ledgers.log.targets.values():
        if target.outdial_id != history.latest.outdial_id or target.is_deleted:
            continue
        is_left = is_exhausted and over_at is not None and target.created_at < over_at - SLACK
        is_lost = target.status is TargetStatus.IDLE and is_left
        if is_lost or target.status is TargetStatus.PROGRESSING:
            yield Violation(
                what=f"target {target.target_id} is {target.status.value} though campaign "
                f"{history.campaign_id} has stopped",
                campaign_ids=(history.campaign_id,),
                target_id=target.target_id,
            )


def journal_is_log(ledgers: Ledgers) -> Iterator[Finding]:
    """O5: what was originated was intended before, and what has an outcome was originated."""
    for why in ledgers.log.gaps:
        yield Doubt(why)
    yield from _strangers(ledgers)
    for ring in ledgers.rings:
        yield from _unlike_its_intent(ring)
    asked = set(ledgers.asked)
    for story in ledgers.log.stories.values():
        is_asked = story.campaign_id in asked and not story.is_flow_only and story.intended_at
        is_called = story.outcome is not None and story.outcome not in UNRUNG
        if is_asked and is_called and story.attempt_id not in ledgers.rung_at:
            yield _story(f"ended as {story.outcome}, and the network never heard of it", story)


def _unlike_its_intent(ring: Ring) -> Iterator[Finding]:
    """Find what the intent of a call does not cover."""
    intended = ring.story.intended_at
    if intended is None:
        yield _of("rang without an intent", ring)
    elif ring.origination.until < intended - CLOCKS:
        yield _of("rang before its intent was told", ring)
    if number_of(ring.origination.number) != number_of(ring.story.address):
        yield _of("rang another number than was intended", ring)
    if ring.story.is_withdrawn:
        yield _of("rang, and the log says that it was withdrawn", ring)


def _strangers(ledgers: Ledgers) -> Iterator[Finding]:
    """Find originations of which the log knows nothing; whose they are, their number tells."""
    known = ledgers.log.stories.keys() | ledgers.log.legs
    for one in ledgers.originations or ():
        campaigns = ledgers.campaigns_with(number_of(one.number))
        is_ours = campaigns or not (ledgers.is_shared or ledgers.campaign_ids)
        if one.channel_id not in known and is_ours:
            yield Violation(
                campaign_ids=campaigns,
                what=f"channel {one.channel_id} was originated at {one.at:%X.%f}, and the log has "
                "no intent of it",
                attempt_ids=(one.channel_id,),
                instants=(one.at,),
            )


def api_is_log(ledgers: Ledgers) -> Iterator[Finding]:
    """A = fold(K): what the API shows is what Kafka has."""
    by_campaign: defaultdict[str, list[Story]] = defaultdict(list)
    for story in ledgers.log.stories.values():
        by_campaign[story.campaign_id].append(story)
    for id_, shown in (ledgers.answers or {}).items():
        for unknown in shown.calls.keys() - ledgers.log.stories.keys():
            yield Violation(
                what=f"the API shows attempt {unknown}, and Kafka has never heard of it",
                campaign_ids=(id_,),
                attempt_ids=(unknown,),
            )
        for story in by_campaign[id_]:
            if story.attempt_id not in ledgers.log.hidden:
                yield from _misshown(story, shown)
        for target_id, (status, counts) in shown.targets.items():
            standing = ledgers.log.targets.get(target_id)
            is_same = standing is not None and (status, dict(counts)) == (
                standing.status.value,
                {slot: standing.counts.get(slot, 0) for slot in counts},
            )
            history = ledgers.log.histories.get(id_)
            if not is_same and history is not None and history.is_stopped:
                yield Violation(
                    what=f"the API shows target {target_id} as {status}, Kafka otherwise",
                    campaign_ids=(id_,),
                    target_id=target_id,
                )


def _misshown(story: Story, shown: Shown) -> Iterator[Finding]:
    """Find what the API should have known for some time."""
    settled = story.settlements[0].at if story.settlements else None
    if settled is None or settled >= shown.asked_at - SHOWN_WITHIN:
        return
    if story.attempt_id not in shown.calls:
        yield _story("is settled, and the API does not show it", story)
    elif shown.calls[story.attempt_id] != "done":
        yield _story("is settled, and the API does not say so", story)


def _campaigns(*stories: Story) -> tuple[str, ...]:
    return tuple(sorted({story.campaign_id for story in stories}))


def _story(what: str, story: Story) -> Violation:
    return Violation(
        what=f"attempt {story.attempt_id} {what}",
        campaign_ids=(story.campaign_id,),
        attempt_ids=(story.attempt_id,),
        target_id=story.target_id or None,
    )


def _of(what: str, *rings: Ring) -> Violation:
    ids = tuple(dict.fromkeys(ring.story.attempt_id for ring in rings))
    when = " and at ".join(f"{ring.at:%X.%f}" for ring in rings)
    return Violation(
        what=f"{what}: {', '.join(ids)}, at {when}",
        campaign_ids=_campaigns(*(ring.story for ring in rings)),
        attempt_ids=ids,
        target_id=rings[0].story.target_id or None,
        instants=tuple(ring.at for ring in rings),
    )
