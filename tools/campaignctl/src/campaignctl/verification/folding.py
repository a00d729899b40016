"""The log folded while it is read: of each message only what an oracle needs is kept.

Order does not matter, nor do repetitions: what a subject and its sequence have told is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from contracts.call import (
    Attempt,
    CallBridge,
    CallBridged,
    CallBridgeFailed,
    CallDialing,
    CallHungUp,
    CallSettled,
    CallUnbridged,
)
from contracts.campaign import (
    CampaignCreated,
    CampaignDeleted,
    CampaignStatusChanged,
    CampaignUpdated,
)
from contracts.dialing import DialingExhausted
from contracts.envelope import Envelope
from contracts.number import ListedNumber, NumberChanged
from contracts.resources import CampaignCallDeleted
from contracts.target import Target, TargetAdded, TargetChanged, TargetDeleted
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    CAMPAIGN_EVENTS,
    DIALING_EVENTS,
    NUMBER_EVENTS,
    RESOURCE_EVENTS,
    TARGET_EVENTS,
)
from pydantic import ValidationError

from campaignctl.log import LogRecord
from campaignctl.verification.ledgers import (
    History,
    Listing,
    Log,
    Settlement,
    Standing,
    Story,
    Version,
)

TOPICS = {
    topic.name: topic
    for topic in (
        CAMPAIGN_EVENTS, TARGET_EVENTS, CALL_EVENTS, DIALING_EVENTS, CALL_COMMANDS, NUMBER_EVENTS,
        RESOURCE_EVENTS,
    )
}  # fmt: skip
NEEDED = frozenset({
    "call.dialing", "call.hung_up", "call.settled", "call.bridge", "call.bridged",
    "call.bridge_failed", "call.unbridged", "dialing.exhausted", "campaigncall.deleted",
    *CAMPAIGN_EVENTS.types,
    *TARGET_EVENTS.types, *NUMBER_EVENTS.types,
})  # fmt: skip
"""Types that are parsed; of the others only the offset is looked at."""
CALL_TOPICS = frozenset({CALL_EVENTS.name, CALL_COMMANDS.name})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class _Telling:
    """An attempt while its messages are read."""

    campaign_id: str
    attempt: tuple[Any, ...] | None = None
    intended_at: datetime | None = None
    hung_up_at: datetime | None = None
    settlements: list[Settlement] = field(default_factory=list)


class LogFold:
    """Takes the records of the topics, each partition in its order, and makes a `Log` of them."""

    def __init__(self, since: Mapping[tuple[str, int], int] | None = None) -> None:
        self._parse = {name: topic.adapter().validate_json for name, topic in TOPICS.items()}
        self._next: dict[tuple[str, int], int] = {**(since or {})}
        self._gaps: list[str] = []
        self._messages = 0
        self._attempts: dict[str, _Telling] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._exhausted: dict[str, dict[int, datetime]] = {}
        self._targets: dict[str, tuple[int, Standing]] = {}
        self._listings: dict[tuple[str, str], list[Listing]] = {}
        self._legs: set[str] = set()
        self._hidden: set[str] = set()
        self._same: dict[str, str] = {}

    def take(self, record: LogRecord) -> None:
        """Take one record, each partition in its order; topics that nobody needs are skipped."""
        if record.topic not in TOPICS:
            return
        self._messages += 1
        self._mark(record)
        if record.value is None or (record.type is not None and record.type not in NEEDED):
            return
        try:
            envelope = self._parse[record.topic](record.value)
        except ValidationError:
            place = f"{record.topic}/{record.partition}"
            self._gaps.append(f"{place} has no readable message at {record.offset}")
            return
        at = EPOCH + timedelta(milliseconds=record.timestamp_ms)
        if record.topic in CALL_TOPICS:
            self._fold_call(envelope, at)
        else:
            self._fold_other(envelope, at)

    def log(self) -> Log:
        """Return all that was told, frozen."""
        return Log(
            stories={id_: _story(id_, told) for id_, told in self._attempts.items()},
            histories={
                id_: History(
                    id_,
                    tuple(version for _, version in sorted(versions.items())),
                    self._exhausted.get(id_, {}),
                )
                for id_, versions in self._versions.items()
            },
            targets={id_: standing for id_, (_, standing) in self._targets.items()},
            listings={key: tuple(rows) for key, rows in self._listings.items()},
            legs=frozenset(self._legs),
            hidden=frozenset(self._hidden),
            gaps=tuple(self._gaps),
            messages=self._messages,
        )

    def _mark(self, record: LogRecord) -> None:
        """Notice what is missing; only the story of the calls is kept whole by Kafka."""
        place, offset = (record.topic, record.partition), record.offset
        expected = self._next.get(place, 0)
        if record.topic == CALL_EVENTS.name and offset > expected:
            name = f"{record.topic}/{record.partition}"
            hole = f"{name} goes from offset {expected - 1} to {offset}"
            self._gaps.append(hole if expected else f"{name} begins at offset {offset}")
        self._next[place] = max(expected, offset + 1)

    def _fold_call(self, envelope: Envelope[Any], at: datetime) -> None:
        match envelope.body:
            case CallDialing(attempt=attempt):
                told = self._told(attempt.attempt_id, attempt.campaign_id)
                told.intended_at = min(told.intended_at or at, at)
                told.attempt = self._kept(attempt)
            case CallHungUp() as fact:
                self._told(fact.attempt_id, fact.campaign_id).hung_up_at = fact.at
            case CallSettled() as fact:
                told = self._told(fact.attempt_id, fact.campaign_id)
                settled = Settlement(fact.outcome, fact.is_success, fact.at)
                if settled not in told.settlements:  # what is delivered again is the same
                    told.settlements.append(settled)
            case CallBridge(leg_id=leg_id):
                self._legs.add(leg_id)
            case CallBridged() | CallBridgeFailed() | CallUnbridged() as fact:
                self._legs.add(fact.leg_id)
            case _:
                pass

    def _fold_other(self, envelope: Envelope[Any], at: datetime) -> None:
        match envelope.body:
            case DialingExhausted(campaign_id=id_, run_number=run):
                self._exhausted.setdefault(id_, {})[run] = envelope.time
            case TargetAdded(target=target) | TargetChanged(target=target):
                self._stand(target, envelope.sequence, is_deleted=target.deleted_at is not None)
            case CampaignCallDeleted(attempt_id=id_):
                self._hidden.add(id_)
            case NumberChanged(number=number):
                self._list(number, envelope.sequence, at)
            case TargetDeleted(target=target):
                self._stand(target, envelope.sequence, is_deleted=True)
            case CampaignCreated() | CampaignUpdated() | CampaignDeleted() as fact:
                version = Version(envelope.sequence, envelope.time, at, fact.campaign)
                self._lived(version)
            case CampaignStatusChanged() as fact:
                version = Version(envelope.sequence, envelope.time, at, fact.campaign, fact.cause)
                self._lived(version)
            case _:
                pass

    def _list(self, number: ListedNumber, sequence: int, at: datetime) -> None:
        rows = self._listings.setdefault((number.customer_id, number.number), [])
        if not rows or rows[-1].sequence < sequence:
            rows.append(Listing(sequence, at, bool(number.list_ids)))

    def _told(self, attempt_id: str, campaign_id: str) -> _Telling:
        told = self._attempts.get(attempt_id)
        if told is None:
            told = self._attempts[attempt_id] = _Telling(self._shared(campaign_id))
        return told

    def _kept(self, attempt: Attempt) -> tuple[Any, ...]:
        return (
            self._shared(attempt.customer_id),
            attempt.run_number,
            self._shared(attempt.target_id),
            attempt.destination.slot,
            self._shared(attempt.destination.address),
            attempt.attempt_number,
            attempt.is_flow_only,
            attempt.created_at,
        )

    def _lived(self, version: Version) -> None:
        versions = self._versions.setdefault(version.campaign.campaign_id, {})
        versions.setdefault(version.sequence, version)

    def _stand(self, target: Target, sequence: int, *, is_deleted: bool) -> None:
        if self._targets.get(target.target_id, (-1, None))[0] >= sequence:
            return
        standing = Standing(
            target_id=self._shared(target.target_id),
            outdial_id=self._shared(target.outdial_id),
            status=target.status,
            outcome=target.outcome,
            counts={one.slot: one.attempt_count for one in target.destinations},
            addresses=tuple(self._shared(one.address) for one in target.destinations),
            created_at=target.created_at,
            is_deleted=is_deleted,
        )
        self._targets[standing.target_id] = sequence, standing

    def _shared(self, text: str) -> str:
        """Keep one copy of a text that many messages have."""
        return self._same.setdefault(text, text)


def _story(attempt_id: str, told: _Telling) -> Story:
    customer, run, target, slot, address, number, is_flow, created = told.attempt or (
        "", 0, "", 0, "", 0, False, None,
    )  # fmt: skip
    return Story(
        attempt_id=attempt_id,
        campaign_id=told.campaign_id,
        customer_id=customer,
        run_number=run,
        target_id=target,
        slot=slot,
        address=address,
        attempt_number=number,
        is_flow_only=is_flow,
        created_at=created,
        intended_at=told.intended_at,
        hung_up_at=told.hung_up_at,
        settlements=tuple(told.settlements),
    )
