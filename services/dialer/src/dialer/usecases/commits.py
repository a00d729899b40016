"""The changes of an attempt as they are committed: intent, progress, settlement."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chassis.outbox import Change, Guard, OutMessage, Write
from contracts.base import Message
from contracts.call import (
    Attempt,
    CallAdopted,
    CallDialing,
    CallFact,
    CallSettled,
    Outcome,
    Pacing,
)
from contracts.campaign import Campaign
from contracts.envelope import id_of, wrap
from contracts.flow import FlowStart
from contracts.target import Target, TargetChanged
from contracts.topics import CALL_EVENTS, FLOW_COMMANDS, TARGET_EVENTS, Topic
from target_queue import Rule, sequence_of
from target_queue.keys import (
    attempt_key,
    attempt_shard,
    claims_key,
    deferred_key,
    due_key,
    gate_key,
    live_key,
    target_key,
    wake_channel,
    worker_key,
    workers_key,
)
from target_queue.packing import microseconds, pack

from dialer.domain.calls import Call
from dialer.domain.story import Script

SOURCE = "dialer"
KEPT_MS = 24 * 3600 * 1000

Command = tuple[str | bytes | int | float, ...]


@dataclass(slots=True)
class Held:
    """An attempt this worker answers for: its call and its target, with their versions."""

    call: Call
    version: int
    target: Target
    target_version: int

    @property
    def attempt(self) -> Attempt:
        """The attempt itself."""
        return self.call.attempt


def _message(
    topic: Topic,
    body: Message,
    attempt: Attempt,
    *,
    subject: str,
    sequence: int,
    at: datetime,
    cause: str | None,
) -> OutMessage:
    envelope: Any = wrap(
        body,
        source=SOURCE,
        subject=subject,
        sequence=sequence,
        at=at,
        customer_id=attempt.customer_id,
        correlation_id=attempt.attempt_id,
        cause=cause,
    )
    return OutMessage.of(topic, envelope)


def _target_message(
    attempt: Attempt, target: Target, version: int, at: datetime, cause: str
) -> OutMessage:
    return _message(
        TARGET_EVENTS,
        TargetChanged(target=target),
        attempt,
        subject=target.target_id,
        sequence=sequence_of(version),
        at=at,
        cause=cause,
    )


def intent(
    held: Held,
    campaign: Campaign,
    gate_version: int,
    *,
    judged_by: str,
    pacing: Pacing | None = None,
    script: Script | None = None,
) -> Change:
    """Return the change that makes the intent to dial durable; `held` is as it will be.

    It is valid only under the claim's fence and while the gate that allowed it is unchanged.

    Args:
        held: The attempt and its target.
        campaign: Whose they are.
        gate_version: Of the gate that allowed the claim.
        judged_by: Id of the message that told the campaign as it is here: the cause.
        pacing: What was known of its queue, if it has one.
        script: Of an attempt that runs its flow without a call.
    """
    attempt, target = held.attempt, held.target
    shard = attempt_shard(attempt.attempt_id)
    own_id = id_of(SOURCE, attempt.attempt_id, sequence_of(held.version))
    messages = [
        _message(
            CALL_EVENTS,
            CallDialing(attempt=attempt, pacing=pacing, gateway_run=held.call.gateway_run),
            attempt,
            subject=attempt.attempt_id,
            sequence=sequence_of(held.version),
            at=attempt.created_at,
            cause=judged_by,
        ),
        _target_message(attempt, target, held.target_version, attempt.created_at, own_id),
    ]
    if script is not None:
        start = FlowStart(
            attempt_id=attempt.attempt_id,
            campaign_id=campaign.campaign_id,
            actions=script.actions,
            variables=script.variables,
        )
        messages.append(
            _message(
                FLOW_COMMANDS,
                start,
                attempt,
                subject=attempt.attempt_id,
                sequence=sequence_of(held.version, 1),
                at=attempt.created_at,
                cause=own_id,
            )
        )
    micros = microseconds(attempt.created_at)
    return Change(
        shard=shard,
        operation=attempt.attempt_id[-12:],
        writes=(
            Write(target_key(shard, target.target_id), held.target_version - 1, pack(target)),
            Write(attempt_key(attempt.attempt_id), 0, held.call.model_dump_json().encode()),
        ),
        guards=(Guard(gate_key(shard, campaign.campaign_id), gate_version),),
        also=(
            ("ZREM", claims_key(shard, attempt.outdial_id), target.target_id),
            ("ZADD", live_key(shard, campaign.campaign_id), micros, attempt.attempt_id),
            *_answering(shard, held.call, attempt.created_at),
        ),
        messages=tuple(messages),
    )


def progress(
    held: Held, call: Call, facts: Sequence[CallFact], at: datetime, operation: str
) -> Change:
    """Return the change that moves a call on and tells of it."""
    attempt = held.attempt
    return Change(
        shard=attempt_shard(attempt.attempt_id),
        operation=operation,
        writes=(
            Write(attempt_key(attempt.attempt_id), held.version, call.model_dump_json().encode()),
        ),
        messages=_facts(held, facts, at),
    )


def adoption(held: Held, call: Call, before: str, at: datetime) -> Change:
    """Return the change that puts an attempt into the hands of another worker than `before`."""
    attempt = held.attempt
    shard = attempt_shard(attempt.attempt_id)
    told = CallAdopted(
        attempt_id=attempt.attempt_id,
        campaign_id=attempt.campaign_id,
        at=at,
        worker=call.holder,
        is_doubtful=call.is_doubtful,
    )
    return Change(
        shard=shard,
        operation=f"adopt-{call.holder}",
        writes=(
            Write(attempt_key(attempt.attempt_id), held.version, call.model_dump_json().encode()),
        ),
        also=(
            ("SREM", worker_key(shard, before), attempt.attempt_id),
            *_answering(shard, call, at),
        ),
        messages=_facts(held, (told,), at),
    )


def _answering(shard: str, call: Call, at: datetime) -> tuple[Command, ...]:
    """Put an attempt into its holder's hands, and the holder on the roll if it is not there yet.

    Whoever died before its first word, or was struck off while it slept, is missed all the same.
    """
    return (
        ("SADD", worker_key(shard, call.holder), call.attempt_id),
        ("ZADD", workers_key(shard), "NX", microseconds(at), call.holder),
    )


def _facts(held: Held, facts: Sequence[CallFact], at: datetime) -> tuple[OutMessage, ...]:
    """Return the messages of facts; what settles an attempt is caused by the fact before."""
    attempt_id, version = held.attempt.attempt_id, held.version + 1
    return tuple(
        _message(
            CALL_EVENTS,
            fact,
            held.attempt,
            subject=attempt_id,
            sequence=sequence_of(version, index),
            at=at,
            cause=id_of(SOURCE, attempt_id, sequence_of(version, index - 1))
            if index and isinstance(fact, CallSettled)
            else None,
        )
        for index, fact in enumerate(facts)
    )


def settlement(
    held: Held,
    call: Call,
    facts: Sequence[CallFact],
    *,
    outcome: Outcome,
    is_success: bool,
    target: Target,
    at: datetime,
    operation: str,
    put_off_by: Rule | None = None,
) -> Change:
    """Return the change that ends an attempt and says what becomes of its target.

    If it is due later because a rule puts it off, and not for its interval, the rule is named.
    """
    attempt = held.attempt
    shard = attempt_shard(attempt.attempt_id)
    settled = CallSettled(
        attempt_id=attempt.attempt_id,
        campaign_id=attempt.campaign_id,
        at=at,
        target_id=target.target_id,
        outcome=outcome,
        is_success=is_success,
        target_status=target.status,
        due_at=target.due_at,
    )
    also: list[Command] = [
        ("ZREM", live_key(shard, attempt.campaign_id), attempt.attempt_id),
        ("SREM", worker_key(shard, call.holder), attempt.attempt_id),
        ("PUBLISH", wake_channel(shard), attempt.outdial_id),
        ("PEXPIRE", attempt_key(attempt.attempt_id), KEPT_MS),
    ]
    if target.due_at and not target.deleted_at:
        due = microseconds(target.due_at)
        key = due_key(shard, attempt.outdial_id)
        if put_off_by:
            key = deferred_key(shard, attempt.outdial_id, put_off_by)
        also.append(("ZADD", key, due, target.target_id))
    return Change(
        shard=shard,
        operation=operation,
        writes=(
            Write(attempt_key(attempt.attempt_id), held.version, call.model_dump_json().encode()),
            Write(target_key(shard, target.target_id), held.target_version, pack(target)),
        ),
        also=tuple(also),
        messages=(
            *_facts(held, (*facts, settled), at),
            _target_message(
                attempt,
                target,
                held.target_version + 1,
                at,
                id_of(SOURCE, attempt.attempt_id, sequence_of(held.version + 1, len(facts))),
            ),
        ),
    )


def giving_up(
    attempt_shard_: str, target: Target, fence: int, at: datetime, judged_by: str
) -> Change:
    """Return the change that ends a claimed target which has nothing left to try."""
    envelope: Any = wrap(
        TargetChanged(target=target),
        source=SOURCE,
        subject=target.target_id,
        sequence=sequence_of(fence + 1),
        at=at,
        customer_id=target.customer_id,
        cause=judged_by,
    )
    return Change(
        shard=attempt_shard_,
        operation="exhausted",
        writes=(Write(target_key(attempt_shard_, target.target_id), fence, pack(target)),),
        also=(("ZREM", claims_key(attempt_shard_, target.outdial_id), target.target_id),),
        messages=(OutMessage.of(TARGET_EVENTS, envelope),),
    )
