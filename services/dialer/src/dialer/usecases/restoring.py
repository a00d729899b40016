"""What the dialer keeps in Redis, as Kafka tells it: targets, open attempts, gates, told runs.

An attempt is open until it is settled. What its worker had heard and not yet told is looked up at
the gateway once the engine goes on; one that may be on its way to the network is not dialed again
by anybody but the worker that knows.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.restoring import OPERATION, Command, record, version_of
from contracts.call import (
    Attempt,
    CallAdopted,
    CallAnswered,
    CallBridge,
    CallBridged,
    CallBridgeFailed,
    CallDialing,
    CallRinging,
    CallSettled,
    CallUnbridged,
    Outcome,
)
from contracts.campaign import (
    Campaign,
    CampaignCreated,
    CampaignDeleted,
    CampaignLimits,
    CampaignStatusChanged,
    CampaignUpdated,
)
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.envelope import Envelope
from contracts.resources import CampaignCallForgotten
from contracts.target import (
    Target,
    TargetAdded,
    TargetChanged,
    TargetDeleted,
    TargetOutcome,
    TargetStatus,
)
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    CAMPAIGN_EVENTS,
    DIALING_EVENTS,
    RESOURCE_EVENTS,
    TARGET_EVENTS,
)
from target_queue.gates import gate_of
from target_queue.keys import (
    attempt_key,
    attempt_shard,
    gate_key,
    live_key,
    number_key,
    outdial_shard,
    pace_key,
    told_key,
    worker_key,
    workers_key,
)
from target_queue.numbering import number_of
from target_queue.packing import microseconds
from target_queue.permits import GIVEN
from target_queue.queue import MESSAGES_PER_COMMIT
from target_queue.restoring import TargetsFold

from dialer.domain import retries
from dialer.domain.calls import Call, CallStatus, Leg, LegStatus
from dialer.usecases.campaigns import LEASE
from dialer.usecases.holds import LEASE as NUMBER_LEASE

COUNTED = timedelta(days=7)
LEGS = {
    CallBridged: LegStatus.BRIDGED,
    CallBridgeFailed: LegStatus.GONE,
    CallUnbridged: LegStatus.GONE,
}
FIRST = version_of(0, MESSAGES_PER_COMMIT)


@dataclass(slots=True)
class _Open:
    """An open attempt, and the sequence of what was told of it last."""

    call: Call
    sequence: int


class DialerFold:
    """Restores what dialers work with."""

    topics = (
        TARGET_EVENTS, CALL_EVENTS, CAMPAIGN_EVENTS, DIALING_EVENTS, CALL_COMMANDS, RESOURCE_EVENTS,
    )  # fmt: skip
    types = frozenset({
        *TARGET_EVENTS.types, *CAMPAIGN_EVENTS.types, *DIALING_EVENTS.types, "call.dialing",
        "call.ringing", "call.answered", "call.bridged", "call.bridge_failed", "call.unbridged",
        "call.adopted", "call.settled", "call.bridge", "campaigncall.forgotten",
    })  # fmt: skip

    def __init__(self, now: datetime | None = None) -> None:
        self._now = now or datetime.now(UTC)
        self._targets = TargetsFold()
        self._open: dict[str, _Open] = {}
        self._settled: dict[str, tuple[Attempt, CallSettled]] = {}
        self._counted: defaultdict[str, list[Attempt]] = defaultdict(list)
        self._over: set[str] = set()
        self._forgotten: set[str] = set()
        self._bridges: dict[str, CallBridge] = {}
        self._campaigns: dict[str, tuple[int, Campaign]] = {}
        self._told: dict[str, tuple[int, DialingExhausted | DialingDrained]] = {}

    def take(self, envelope: Envelope[Any]) -> None:
        """Take a message; a repeated or older one changes nothing."""
        sequence = envelope.sequence
        match envelope.body:
            case TargetAdded() | TargetChanged() | TargetDeleted():
                self._targets.take(envelope)
            case CallDialing(attempt=attempt):
                self._begin(attempt, sequence)
            case CampaignCallForgotten(attempt_id=attempt_id):
                self._forgotten.add(attempt_id)
            case CallBridge() as command:
                self._bridges[command.attempt_id] = command
            case DialingExhausted() | DialingDrained() as fact:
                _keep(self._told, fact.campaign_id, sequence, fact)
            case CampaignCreated() | CampaignUpdated() | CampaignDeleted() as fact:
                _keep(self._campaigns, fact.campaign.campaign_id, sequence, fact.campaign)
            case CampaignStatusChanged(campaign=campaign):
                _keep(self._campaigns, campaign.campaign_id, sequence, campaign)
            case fact:
                self._follow(fact, sequence)

    def _begin(self, attempt: Attempt, sequence: int) -> None:
        if attempt.attempt_id not in self._open and attempt.attempt_id not in self._over:
            self._open[attempt.attempt_id] = _Open(Call(attempt=attempt), sequence)

    def _follow(self, fact: Any, sequence: int) -> None:
        known = self._open.get(fact.attempt_id)
        if known is None or sequence <= known.sequence:
            return
        if isinstance(fact, CallSettled):
            self._settle(known.call.attempt, fact)
            return
        known.sequence = sequence
        known.call = known.call.model_copy(update=_change(fact))

    def _settle(self, attempt: Attempt, fact: CallSettled) -> None:
        del self._open[attempt.attempt_id]
        self._bridges.pop(attempt.attempt_id, None)
        self._over.add(attempt.attempt_id)
        before = self._settled.get(attempt.target_id)
        if before is None or before[0].created_at <= attempt.created_at:
            self._settled[attempt.target_id] = attempt, fact
        is_recent = self._now - attempt.created_at < COUNTED
        if is_recent and fact.outcome is not Outcome.CANCELLED:
            self._counted[attempt.campaign_id].append(attempt)

    # ---- what is restored

    def commands(self) -> Iterator[Command]:
        """Return the commands that restore the state."""
        yield from self._targets.commands(instead=dict(self._reconciled()))
        for sequence, campaign in self._campaigns.values():
            if campaign.outdial_id is None:
                continue
            gate = gate_of(campaign, sequence).model_dump_json().encode()
            shard = outdial_shard(campaign.outdial_id)
            yield record(gate_key(shard, campaign.campaign_id), FIRST, gate)
            if (told := self._told.get(campaign.campaign_id)) is not None:
                said = f"{told[1].run_number} {told[1].type}".encode()
                version = version_of(told[0], MESSAGES_PER_COMMIT)
                yield record(told_key(shard, campaign.campaign_id), version, said)
        for known in self._open.values():
            yield from self._attempt(known)
        yield from self._counts()

    def _attempt(self, known: _Open) -> Iterator[Command]:
        call = self._with_leg(known.call)
        attempt, shard = call.attempt, attempt_shard(call.attempt_id)
        created, now = microseconds(attempt.created_at), microseconds(self._now)
        version = version_of(known.sequence, MESSAGES_PER_COMMIT)
        may_ring = call.status is CallStatus.DIALING and not attempt.is_flow_only
        operation = GIVEN.decode() if may_ring else OPERATION
        body = call.model_dump_json().encode()
        yield record(attempt_key(call.attempt_id), version, body, operation)
        yield ("ZADD", live_key(shard, attempt.campaign_id), created, call.attempt_id)
        yield ("SADD", worker_key(shard, call.holder), call.attempt_id)
        yield ("ZADD", workers_key(shard), now, call.holder)
        if attempt.is_flow_only:
            return
        number = number_of(attempt.destination.address)
        holding = number_key(attempt.customer_id, number, "call")
        lease = NUMBER_LEASE // timedelta(milliseconds=1)
        yield ("SET", holding, call.attempt_id, "PX", lease)
        if attempt.queue_id and call.status is not CallStatus.UP:
            ring = timedelta(milliseconds=attempt.ring_timeout_ms)
            until = microseconds(self._now + LEASE + ring)
            yield ("ZADD", pace_key(attempt.queue_id), until, attempt.target_id)

    def _with_leg(self, call: Call) -> Call:
        bridge = self._bridges.get(call.attempt_id)
        if bridge is None or (call.leg and call.leg.leg_id == bridge.leg_id):
            return call
        leg = Leg(leg_id=bridge.leg_id, agent_id=bridge.agent_id)
        return call.model_copy(update={"leg": leg})

    def _counts(self) -> Iterator[Command]:
        for campaign_id, attempts in self._counted.items():
            campaign = self._campaigns.get(campaign_id)
            limits = campaign[1].limits if campaign else CampaignLimits()
            if not (limits.attempts_per_number_day or limits.attempts_per_number_week):
                continue
            for attempt in attempts:
                if attempt.attempt_id in self._forgotten:
                    continue
                number = number_of(attempt.destination.address)
                key = number_key(attempt.customer_id, number, "attempts")
                yield ("ZADD", key, microseconds(attempt.created_at), attempt.attempt_id)
                yield ("PEXPIRE", key, COUNTED // timedelta(milliseconds=1))

    def _reconciled(self) -> Iterator[tuple[str, Target]]:
        """Let targets and attempts agree: of one commit, Kafka may have got one message only."""
        called = {known.call.attempt.target_id: known.call.attempt for known in self._open.values()}
        for target_id, attempt in called.items():
            if (target := self._targets.get(target_id)) is not None:
                yield target_id, _in_call(target, attempt)
        for target_id in self._targets.progressing - called.keys():
            if (target := self._targets.get(target_id)) is not None:
                settled = self._settled.get(target_id)
                yield target_id, _after_call(target, settled, self._now)


def _keep(kept: dict[str, tuple[int, Any]], id_: str, sequence: int, item: Any) -> None:
    """Keep the latest of each id."""
    if sequence > kept.get(id_, (-1,))[0]:
        kept[id_] = sequence, item


def _change(fact: Any) -> dict[str, Any]:
    """Return what a fact changes of an open call."""
    match fact:
        case CallRinging():
            return {"status": CallStatus.RINGING}
        case CallAnswered(at=at):
            return {"status": CallStatus.UP, "answered_at": at}
        case CallAdopted(worker=worker, is_doubtful=is_doubtful):
            return {"adopted_by": worker, "is_doubtful": is_doubtful}
        case _:
            leg = Leg(leg_id=fact.leg_id, agent_id=fact.agent_id, status=LEGS[type(fact)])
            return {"leg": leg}


def _in_call(target: Target, attempt: Attempt) -> Target:
    destinations = tuple(
        one.model_copy(update={"attempt_count": max(one.attempt_count, attempt.attempt_number)})
        if one.slot == attempt.destination.slot
        else one
        for one in target.destinations
    )
    return target.model_copy(
        update={"status": TargetStatus.PROGRESSING, "due_at": None, "destinations": destinations}
    )


def _after_call(
    target: Target, settled: tuple[Attempt, CallSettled] | None, now: datetime
) -> Target:
    """Return a target whose last call has ended, or never was."""
    if settled is None:
        return target.model_copy(update={"status": TargetStatus.IDLE, "due_at": now})
    attempt, fact = settled
    if fact.outcome is Outcome.CANCELLED:
        return retries.take_back(target, attempt.destination.slot, now)
    outcome = None
    if fact.target_status is TargetStatus.DONE:
        outcome = TargetOutcome.ANSWERED if fact.is_success else TargetOutcome.EXHAUSTED
    return target.model_copy(
        update={"status": fact.target_status, "due_at": fact.due_at, "outcome": outcome}
    )
