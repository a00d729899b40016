"""The dialer's decisions about one attempt, taken again from what the log says it knew.

What the network told is an input: each fact of a call says which signal led to it. What nobody told
the log is an input too: that an origination was refused, or that nobody can say what became of it.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

from contracts.call import (
    Attempt,
    CallAdopted,
    CallAnswered,
    CallBridge,
    CallBridged,
    CallBridgeFailed,
    CallDialing,
    CallDigitPressed,
    CallFact,
    CallHungUp,
    CallPlaybackFinished,
    CallRinging,
    CallSettled,
    CallUnbridged,
    Outcome,
)
from contracts.campaign import AmbiguousHandle, Campaign, CampaignKind
from contracts.envelope import Envelope
from contracts.flow import FlowFinished, FlowStart
from contracts.resources import Outplan
from contracts.target import Target
from dialer.domain import retries
from dialer.domain.calls import Call, CallStatus, Leg
from dialer.domain.pacing import calls_to_place
from dialer.domain.script import script_of
from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    Ringing,
)
from dialer.domain.story import decide
from dialer.domain.windows import opening_of

from campaignctl.replaying.campaigns import Campaigns
from campaignctl.replaying.decisions import Asked, Decision, Finding, Gap, Unknown
from campaignctl.replaying.stories import Story, TargetStep

LegFact = CallBridged | CallBridgeFailed | CallUnbridged


def replay_call(story: Story, campaigns: Campaigns) -> Iterator[Finding]:
    """Yield the decisions of an attempt as far as its story goes, in their order."""
    intent = story.beginning
    if intent is None:
        yield Unknown(Gap.BEGINS_BEFORE, story.attempt_id)
        return
    message, attempt = story.call[0], intent.attempt
    if message.causation_id is None:
        yield Unknown(Gap.NO_CAUSE, message.id)
        return
    judging = campaigns.since(message.causation_id, attempt.campaign_id)
    if not judging:
        yield Unknown(Gap.NO_CAMPAIGN, message.id)
        return
    begun = story.targets[0] if story.targets else None
    if begun is not None:
        yield from _beginning(message, intent, judging[0], begun)
    yield from _life(story, attempt, judging, begun)


def _beginning(
    message: Envelope[Any], intent: CallDialing, campaign: Campaign, begun: TargetStep
) -> Iterator[Finding]:
    attempt, before = intent.attempt, begun.before
    if before is None:
        yield Unknown(Gap.NO_TARGET, begun.message.id)
        return
    outplan = campaign.outplan or Outplan(id="", customer_id="", created_at=message.time)
    chosen = retries.choose_destination(before, outplan)
    yield Decision(Asked.DESTINATION, message, attempt.destination, chosen, before)
    if chosen is None:
        return
    yield Decision(Asked.ATTEMPT, message, attempt, _attempt(attempt, campaign, before), campaign)
    if campaign.calling_hours is not None and not attempt.is_flow_only:
        opening = opening_of(campaign, chosen.address, attempt.created_at)
        yield Decision(Asked.HOURS, message, None, opening, campaign)
    if intent.pacing is not None:
        allowed = calls_to_place(
            available_agents=intent.pacing.available_agents,
            dial_ratio_percent=campaign.dial_ratio_percent,
            waiting=intent.pacing.waiting,
            dialing=0,
        )
        yield Decision(Asked.PACING, message, intent.pacing.allowed, allowed, campaign)
    after = retries.begin(before, chosen, attempt.created_at)
    yield Decision(Asked.TARGET_BEGUN, begun.message, begun.message.body.target, after, before)


def _attempt(attempt: Attempt, campaign: Campaign, target: Target) -> Attempt:
    """Return the attempt with all that follows from its campaign and its target."""
    outplan = campaign.outplan
    return attempt.model_copy(
        update={
            "customer_id": campaign.customer_id,
            "campaign_id": campaign.campaign_id,
            "run_number": campaign.run_number,
            "outplan_id": outplan.id if outplan else "",
            "outdial_id": target.outdial_id,
            "target_id": target.target_id,
            "queue_id": campaign.queue_id,
            "is_flow_only": campaign.kind is CampaignKind.FLOW,
            "source": outplan.source if outplan else None,
            "attempt_number": attempt.destination.attempt_count + 1,
            "ring_timeout_ms": outplan.dial_timeout_ms if outplan else 0,
        }
    )


def _life(
    story: Story, attempt: Attempt, judging: Sequence[Campaign], begun: TargetStep | None
) -> Iterator[Finding]:
    call, outcome = Call(attempt=attempt), None
    targets = [begun.message.body.target if begun else None, *story.edits]
    for message in story.call[1:]:
        match message.body:
            case CallDialing() | FlowStart():
                continue
            case CallAdopted(worker=worker, is_doubtful=is_doubtful):
                call = call.model_copy(update={"adopted_by": worker, "is_doubtful": is_doubtful})
            case CallSettled():
                yield from _settlement(story, call, message, outcome, judging)
            case fact:
                if isinstance(fact, LegFact):
                    bridge = _bridge_of(story, fact.leg_id)
                    if bridge is None:
                        yield Unknown(Gap.NO_COMMAND, message.id)
                        return
                    call = with_leg(call, bridge)
                decision, call, outcome = _fact(call, message, judging, targets)
                yield decision


def _bridge_of(story: Story, leg_id: str) -> CallBridge | None:
    for message in story.flow:
        if isinstance(message.body, CallBridge) and message.body.leg_id == leg_id:
            return message.body
    return None


def with_leg(call: Call, bridge: CallBridge) -> Call:
    """Return the call with the leg of an agent, unless it has that one already."""
    if call.leg is not None and call.leg.leg_id == bridge.leg_id:
        return call
    return call.model_copy(update={"leg": Leg(leg_id=bridge.leg_id, agent_id=bridge.agent_id)})


def _fact(
    call: Call,
    message: Envelope[Any],
    judging: Sequence[Campaign],
    targets: Sequence[Target | None],
) -> tuple[Decision, Call, Outcome | None]:
    """Decide on a signal again, with what the dialer may have known; the first that fits counts."""
    signal = signal_of(message.body)
    made = None
    for campaign in judging:
        for target in targets:
            told = script_of(campaign, call.attempt, target)
            again = decide(call, signal, lambda told=told: told)  # type: ignore[misc]
            made = made or again
            if again.facts == (message.body,):
                made = again
                break
        else:
            if isinstance(message.body, CallAnswered):
                continue  # an adopter may know a later campaign
        break
    assert made is not None  # noqa: S101 - there is a campaign, or we would not be here
    decided = made.facts[0] if made.facts else None
    return Decision(Asked.FACT, message, message.body, decided, call), made.call, made.outcome


def signal_of(fact: CallFact) -> CallSignal:
    """Return the signal that has led to a fact.

    Raises:
        ValueError: No signal leads to such a fact.
    """
    match fact:
        case CallRinging():
            return Ringing(fact.attempt_id, fact.at)
        case CallAnswered():
            return Answered(fact.attempt_id, fact.at)
        case CallDigitPressed(digit=digit):
            return DigitPressed(fact.attempt_id, fact.at, digit)
        case CallPlaybackFinished(playback_id=playback_id, is_failed=is_failed):
            return PlaybackFinished(fact.attempt_id, fact.at, playback_id, is_failed)
        case CallHungUp(hangup_cause=cause, tech_cause=tech_cause):
            return ChannelEnded(fact.attempt_id, fact.at, cause, tech_cause, fact.was_answered)
        case _:
            return _signal_of_leg(fact)


def _signal_of_leg(fact: CallFact) -> CallSignal:
    match fact:
        case CallBridged(leg_id=leg_id):
            return Answered(leg_id, fact.at)
        case CallBridgeFailed(leg_id=leg_id) | CallUnbridged(leg_id=leg_id):
            return ChannelEnded(leg_id, fact.at, 0, None, None)
        case _:
            raise ValueError(fact.type)


# ---- the end


def _settlement(
    story: Story,
    call: Call,
    message: Envelope[Any],
    outcome: Outcome | None,
    judging: Sequence[Campaign],
) -> Iterator[Finding]:
    settled: CallSettled = message.body
    ended = story.targets[1] if len(story.targets) > 1 else None
    if story.lacks(message.causation_id):
        yield Unknown(Gap.LOST, message.id)
        return
    if call.status is not CallStatus.ENDED:
        outcome = _unsignalled(story, settled)
    if ended is None:
        yield Decision(Asked.SETTLEMENT, message, settled.outcome, outcome, call)
        return
    if ended.before is None:
        yield Unknown(Gap.NO_TARGET, ended.message.id)
        return
    after = None
    for campaign in judging:  # an adopter may know a later one
        again = _target_after(call, ended.before, campaign, outcome, settled)
        after = after or again
        if again == ended.message.body.target:
            after = again
            break
    decided = _settled(settled, outcome, after)
    yield Decision(Asked.SETTLEMENT, message, settled, decided, call)
    yield Decision(
        Asked.TARGET_SETTLED, ended.message, ended.message.body.target, after, ended.before
    )


def _unsignalled(story: Story, settled: CallSettled) -> Outcome:
    """Return the outcome of an attempt whose end no signal told: its flow tells it, or nobody."""
    intent = story.beginning
    if intent is not None and intent.attempt.is_flow_only:
        for message in story.flow:
            if isinstance(message.body, FlowFinished):
                return Outcome.ANSWERED if message.body.is_success else Outcome.FAILED
    return settled.outcome


def _target_after(
    call: Call, before: Target, campaign: Campaign, outcome: Outcome | None, settled: CallSettled
) -> Target:
    at: datetime = settled.at
    redials = campaign.ambiguous_handle is AmbiguousHandle.REDIAL
    if outcome is Outcome.CANCELLED and call.status is not CallStatus.ENDED:
        slot, due_at = call.attempt.destination.slot, settled.due_at
        return retries.take_back(before, slot, at, due_at=due_at)
    if outcome is Outcome.AMBIGUOUS and redials:
        return retries.take_back(before, call.attempt.destination.slot, at)
    outplan = campaign.outplan or Outplan(id="", customer_id="", created_at=at)
    return retries.settle(before, outplan, is_success=outcome in retries.SUCCESS, at=at)


def _settled(logged: CallSettled, outcome: Outcome | None, after: Target | None) -> Any:
    if outcome is None or after is None:
        return None
    return logged.model_copy(
        update={
            "target_id": after.target_id,
            "outcome": outcome,
            "is_success": outcome in retries.SUCCESS,
            "target_status": after.status,
            "due_at": after.due_at,
        }
    )
