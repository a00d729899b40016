"""The state of the engine as of a moment: folded from the log up to it, in the API's shape."""

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from campaign_manager.api.border import Border
from campaign_manager.domain.campaigncalls import CampaignCall, attempt_of, fold
from contracts.base import Unrecognized
from contracts.campaign import Campaign
from contracts.envelope import Envelope
from contracts.resources import CampaignCallDeleted
from contracts.target import Target
from contracts.topics import CALL_EVENTS, CAMPAIGN_EVENTS, RESOURCE_EVENTS, TARGET_EVENTS
from pydantic import ValidationError

from campaignctl.log import LogRecord

TOPICS = (CAMPAIGN_EVENTS, RESOURCE_EVENTS, TARGET_EVENTS, CALL_EVENTS)
TYPES = frozenset({
    "call.dialing", "call.answered", "call.settled", "campaigncall.deleted",
    *CAMPAIGN_EVENTS.types, *TARGET_EVENTS.types,
})  # fmt: skip


class AsOf:
    """Campaigns, their targets and their calls at a moment.

    What was decided by then counts, also where it was published a little later: give it the log
    to some seconds after the moment.
    """

    def __init__(self, at: datetime | None, style: str = "seed") -> None:
        """Fold up to a moment; None: all that comes.

        Args:
            at: The moment, aware.
            style: How the API renders timestamps: `seed` or `iso`.
        """
        self._at, self._border = at, Border(style)
        self._parse = {topic.name: topic.adapter().validate_json for topic in TOPICS}
        self._campaigns: dict[str, tuple[int, Campaign]] = {}
        self._targets: dict[str, tuple[int, Target]] = {}
        self._calls: dict[str, CampaignCall] = {}
        self._deleted: dict[str, datetime] = {}
        self.unreadable = 0

    def take(self, record: LogRecord) -> None:
        """Take the next record of the log."""
        parse = self._parse.get(record.topic)
        if parse is None or record.value is None or record.type not in TYPES:
            return
        try:
            envelope = parse(record.value)
        except ValidationError:
            self.unreadable += 1
            return
        if isinstance(envelope.body, Unrecognized) or (self._at and envelope.time > self._at):
            return
        if record.topic == CAMPAIGN_EVENTS.name:
            _keep_latest(self._campaigns, envelope, envelope.body.campaign)
        elif record.topic == TARGET_EVENTS.name:
            _keep_latest(self._targets, envelope, envelope.body.target)
        elif isinstance(envelope.body, CampaignCallDeleted):
            self._deleted[envelope.body.attempt_id] = envelope.body.at
        else:
            id_, _ = attempt_of(envelope.body)
            self._calls[id_] = fold(
                self._calls.get(id_), envelope.body, envelope.sequence, envelope.time
            )

    @property
    def campaigns(self) -> list[Campaign]:
        """The campaigns that were there, oldest first."""
        there = [campaign for _, campaign in self._campaigns.values() if not campaign.deleted_at]
        return sorted(there, key=lambda one: one.created_at)

    def campaign(self, campaign_id: str) -> dict[str, Any] | None:
        """Return a campaign as the API showed it."""
        found = self._campaigns.get(campaign_id)
        return self._border.campaign(found[1]) if found else None

    def targets(self, outdial_id: str | None) -> list[dict[str, Any]]:
        """Return the targets of an outdial as the API showed them, newest first."""
        return [self._border.target(one) for one in self._of_outdial(outdial_id)]

    def calls(self, campaign_id: str) -> list[dict[str, Any]]:
        """Return the campaigncalls of a campaign as the API showed them, newest first."""
        return [self._border.campaigncall(one) for one in self._of_campaign(campaign_id)]

    def counts(self, campaign: Campaign) -> dict[str, dict[str, int]]:
        """Return how many of its targets and calls stood where."""
        targets = Counter(one.status.value for one in self._of_outdial(campaign.outdial_id))
        calls = Counter(one.status.value for one in self._of_campaign(campaign.campaign_id))
        return {"targets": dict(targets), "campaigncalls": dict(calls)}

    def _of_outdial(self, outdial_id: str | None) -> list[Target]:
        there = [
            target
            for _, target in self._targets.values()
            if target.outdial_id == outdial_id and not target.deleted_at
        ]
        return sorted(there, key=lambda one: (one.created_at, one.target_id), reverse=True)

    def _of_campaign(self, campaign_id: str) -> Iterator[CampaignCall]:
        there = [
            (call.attempt.created_at, call)
            for id_, call in self._calls.items()
            if call.campaign_id == campaign_id and call.attempt and id_ not in self._deleted
        ]
        yield from (call for _, call in sorted(there, key=lambda row: row[0], reverse=True))


def _keep_latest(kept: dict[str, tuple[int, Any]], envelope: Envelope[Any], item: Any) -> None:
    if envelope.sequence > kept.get(envelope.subject, (-1, None))[0]:
        kept[envelope.subject] = envelope.sequence, item
