"""What belongs to a campaign, to an attempt or to a stretch of time, with all that a replay needs.

The log is read twice: first to learn which subjects belong together, then to give their records
out. Definitions are small and come along whole; secrets never do.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from contracts.topics import (
    CAMPAIGN_COMMANDS,
    CAMPAIGN_EVENTS,
    DIALING_EVENTS,
    NUMBER_EVENTS,
    QUEUE_EVENTS,
    RESOURCE_EVENTS,
    TARGET_COMMANDS,
    TARGET_EVENTS,
)

from campaignctl.errors import CannotGoOn
from campaignctl.history import Range
from campaignctl.log import LogRecord, milliseconds

Read = Callable[[Range], Iterator[LogRecord]]

OF_CAMPAIGN = frozenset({CAMPAIGN_EVENTS.name, DIALING_EVENTS.name, CAMPAIGN_COMMANDS.name})
SECRETS = frozenset({"password_hash", "token_hash"})
LEFT_OUT = frozenset({"access_key.changed", "customer.changed"})


@dataclass(slots=True)
class Subjects:
    """What belongs together; an attempt is known by its intent, which comes first.

    An attempt belongs to them if its target does, or else its outdial.
    """

    campaigns: set[str] = field(default_factory=set)
    outdials: set[str] = field(default_factory=set)
    queues: set[str] = field(default_factory=set)
    targets: set[str] = field(default_factory=set)
    attempts: set[str] = field(default_factory=set)
    customers: set[str] = field(default_factory=set)

    def holds(self, record: LogRecord, envelope: dict[str, Any]) -> bool:
        """Whether a record belongs to them."""
        subject = envelope["subject"]
        topic = record.topic
        if topic in OF_CAMPAIGN:
            return subject in self.campaigns
        if topic in {RESOURCE_EVENTS.name, NUMBER_EVENTS.name}:
            return envelope.get("customerid") in self.customers and record.type not in LEFT_OUT
        if topic == TARGET_EVENTS.name:
            return subject in self.targets or envelope["data"]["target"]["outdial_id"] in (
                self.outdials
            )
        if topic == TARGET_COMMANDS.name:
            return subject in self.outdials
        if topic == QUEUE_EVENTS.name:
            return subject in self.queues
        return subject in self.attempts

    def learn(self, record: LogRecord, envelope: dict[str, Any]) -> None:
        """Take the attempts of the targets and outdials."""
        if record.type == "call.dialing":
            attempt = envelope["data"]["attempt"]
            if attempt["target_id"] in self.targets or attempt["outdial_id"] in self.outdials:
                self.attempts.add(attempt["attempt_id"])


def of_campaign(read: Read, which: Range, campaign_id: str) -> Iterator[LogRecord]:
    """Yield all records of a campaign.

    Raises:
        CannotGoOn: The log knows no such campaign.
    """
    subjects = Subjects(campaigns={campaign_id})
    for _, envelope in _parsed(read(replace(which, topics=(CAMPAIGN_EVENTS,)))):
        if envelope["subject"] == campaign_id:
            _name(subjects, envelope["data"]["campaign"])
    if not subjects.customers:
        raise CannotGoOn(f"the log knows no campaign {campaign_id}")
    yield from _those(read, which, subjects)


def of_attempt(read: Read, which: Range, attempt_id: str) -> Iterator[LogRecord]:
    """Yield all records of an attempt, of its target's others, and of its campaign's life.

    Raises:
        CannotGoOn: The log knows no such attempt.
    """
    subjects = Subjects(attempts={attempt_id})
    campaigns: dict[str, list[dict[str, Any]]] = {}
    attempt: dict[str, Any] | None = None
    for record, envelope in _parsed(read(which)):
        if record.topic == CAMPAIGN_EVENTS.name:
            campaigns.setdefault(envelope["subject"], []).append(envelope["data"]["campaign"])
        elif record.type == "call.dialing" and envelope["subject"] == attempt_id:
            attempt = envelope["data"]["attempt"]
    if attempt is None:
        raise CannotGoOn(f"the log knows no attempt {attempt_id}")
    for campaign in campaigns.get(attempt["campaign_id"], []):
        _name(subjects, campaign)
    subjects.campaigns, subjects.outdials = {attempt["campaign_id"]}, set()
    subjects.targets = {attempt["target_id"]}
    yield from _those(read, which, subjects)


def of_time(read: Read, which: Range) -> Iterator[LogRecord]:
    """Yield what was told in a stretch of time, and before it what a replay must know by then.

    That is every definition and campaign, and the targets of the stretch as they last were.
    """
    targets = {
        envelope["subject"]
        for _, envelope in _parsed(read(replace(which, topics=(TARGET_EVENTS,))))
    }
    since_ms = milliseconds(which.since) if which.since else 0
    if which.since is not None:
        known = (RESOURCE_EVENTS, CAMPAIGN_EVENTS, TARGET_EVENTS)
        last: dict[str, LogRecord] = {}
        for record, envelope in _parsed(
            read(replace(which, topics=known, since=None, until=which.since))
        ):
            if record.timestamp_ms >= since_ms or record.type in LEFT_OUT:
                continue
            if record.topic != TARGET_EVENTS.name:
                yield _clean(record, envelope)
            elif envelope["subject"] in targets:
                last[envelope["subject"]] = record
        yield from last.values()
    for record, envelope in _parsed(read(which)):
        if record.type not in LEFT_OUT:
            yield _clean(record, envelope)


def _those(read: Read, which: Range, subjects: Subjects) -> Iterator[LogRecord]:
    for record, envelope in _parsed(read(which)):
        subjects.learn(record, envelope)
        if subjects.holds(record, envelope):
            yield _clean(record, envelope)


def _parsed(records: Iterator[LogRecord]) -> Iterator[tuple[LogRecord, dict[str, Any]]]:
    """Yield the records that are envelopes, with them; what is none belongs to nothing."""
    for record in records:
        if record.value is None:
            continue
        try:
            envelope = json.loads(record.value)
        except ValueError:
            continue
        if isinstance(envelope, dict) and "subject" in envelope and "data" in envelope:
            yield record, envelope


def _name(subjects: Subjects, campaign: dict[str, Any]) -> None:
    subjects.customers.add(campaign["customer_id"])
    for kept, name in ((subjects.outdials, "outdial_id"), (subjects.queues, "queue_id")):
        if campaign.get(name):
            kept.add(campaign[name])


def _clean(record: LogRecord, envelope: dict[str, Any]) -> LogRecord:
    """Return a record without the secrets of an agent."""
    if record.type != "agent.changed":
        return record
    agent = envelope["data"]["agent"]
    blank = dict.fromkeys(SECRETS & agent.keys(), "")
    envelope["data"] = {**envelope["data"], "agent": {**agent, **blank}}
    return record._replace(value=json.dumps(envelope).encode())
