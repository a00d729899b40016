"""The life of campaigns, decided again: each change of status from the campaign before it."""

from collections.abc import Iterator
from typing import Any

from campaign_manager.domain.status import Trigger, transition
from contracts.campaign import Campaign, CampaignFact, CampaignStatus, CampaignStatusChanged
from contracts.campaign import StatusCause as Cause
from contracts.envelope import Envelope

from campaignctl.replaying.decisions import Asked, Decision, Finding, Gap, Unknown

OF_DIALER = {Cause.EXHAUSTED: Trigger.EXHAUSTED, Cause.DRAINED: Trigger.DRAINED}


class Campaigns:
    """All campaigns as the log has told them, each message of them by its id."""

    def __init__(self) -> None:
        self._told: dict[str, Campaign] = {}
        self._latest: dict[str, tuple[int, Campaign]] = {}
        self._ids: dict[str, list[str]] = {}

    def take(self, envelope: Envelope[CampaignFact]) -> Iterator[Finding]:
        """Take a message; a change of status is decided again. One that repeats is left alone."""
        campaign = envelope.body.campaign
        sequence, before = self._latest.get(campaign.campaign_id, (-1, None))
        if envelope.sequence <= sequence:
            return
        if isinstance(envelope.body, CampaignStatusChanged):
            if before is None:
                yield Unknown(Gap.NO_CAMPAIGN, envelope.id)
            else:
                yield _status(envelope, before)
        self._told[envelope.id] = campaign
        self._latest[campaign.campaign_id] = envelope.sequence, campaign
        self._ids.setdefault(campaign.campaign_id, []).append(envelope.id)

    def since(self, message_id: str | None, campaign_id: str) -> list[Campaign]:
        """Return a campaign as a message has told it, and as it has become since; none if lost."""
        if message_id not in self._told:
            return []
        ids = self._ids[campaign_id]
        return [self._told[id_] for id_ in ids[ids.index(str(message_id)) :]]


def _status(envelope: Envelope[Any], before: Campaign) -> Decision:
    told: CampaignStatusChanged = envelope.body
    after = told.campaign
    requested = (
        Trigger.RUN_REQUESTED if after.status is CampaignStatus.RUN else Trigger.STOP_REQUESTED
    )
    resolved = before.model_copy(update={"outplan": after.outplan})
    decided, _ = transition(
        resolved,
        OF_DIALER.get(told.cause, requested),
        after.updated_at or envelope.time,
        run_number=before.run_number if told.cause in OF_DIALER else None,
    )
    return Decision(Asked.STATUS, envelope, after, decided, before)
