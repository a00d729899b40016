"""What the three witnesses tell: the network's journal, the log on Kafka, the answers of the API.

All of it is frozen: it was read once, and the oracles only look at it. Instants are aware.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from itertools import pairwise

from chassis.restoring import VERSIONS_AHEAD
from contracts.call import Outcome
from contracts.campaign import AmbiguousHandle, Campaign, CampaignStatus, StatusCause
from contracts.target import TargetOutcome, TargetStatus
from target_queue.numbering import number_of

SLACK = timedelta(seconds=1)
"""How long after a change was told who dials may still go by what was before."""
VERSION = 16
"""A campaign's sequence is its version times this; no version is without a message."""


@dataclass(frozen=True, slots=True)
class Origination:
    """A call that the network was asked for.

    Attributes:
        at: When, at the earliest.
        until: When, at the latest; call records tell whole seconds only.
    """

    channel_id: str
    number: str
    at: datetime
    until: datetime

    @property
    def is_exact(self) -> bool:
        """Whether its instant is known, not only its second."""
        return self.at == self.until


@dataclass(frozen=True, slots=True)
class Settlement:
    """What an attempt came to, as the log tells."""

    outcome: Outcome
    is_success: bool
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """One attempt, as the log tells it.

    Attributes:
        intended_at: When Kafka was first given the intent; None: the log has none.
        hung_up_at: When the gateway saw its call end.
        settlements: All different ones, in their order; one is how it should be.
    """

    attempt_id: str
    campaign_id: str
    customer_id: str = ""
    run_number: int = 0
    target_id: str = ""
    slot: int = 0
    address: str = ""
    attempt_number: int = 0
    is_flow_only: bool = False
    created_at: datetime | None = None
    intended_at: datetime | None = None
    hung_up_at: datetime | None = None
    settlements: tuple[Settlement, ...] = ()

    @property
    def outcome(self) -> Outcome | None:
        """What it came to; None while it is open."""
        return self.settlements[0].outcome if self.settlements else None

    @property
    def is_withdrawn(self) -> bool:
        """Whether it was taken back: cancelled, and no end of a call was ever told."""
        return self.outcome is Outcome.CANCELLED and self.hung_up_at is None

    @property
    def ended_at(self) -> datetime | None:
        """When it was over, by the gateway where it said so, else by the dialer."""
        return self.hung_up_at or (self.settlements[0].at if self.settlements else None)


@dataclass(frozen=True, slots=True)
class Version:
    """A campaign as of one of its messages.

    Attributes:
        at: When the campaign-manager decided it.
        known_at: When it was on Kafka as well; a client is answered after that.
    """

    sequence: int
    at: datetime
    known_at: datetime
    campaign: Campaign
    cause: StatusCause | None = None


@dataclass(frozen=True, slots=True)
class History:
    """A campaign's life, in the order of its sequence.

    Attributes:
        exhausted_at: By run, when the dialer said that nothing is left.
    """

    campaign_id: str
    versions: tuple[Version, ...]
    exhausted_at: Mapping[int, datetime] = field(default_factory=dict)

    @property
    def latest(self) -> Campaign:
        """The campaign as it is."""
        return self.versions[-1].campaign

    @property
    def is_whole(self) -> bool:
        """Whether no version is missing: the log begins before it, and was not compacted.

        After a rebuild of Redis the numbers go on a million higher.
        """
        numbers = sorted({version.sequence // VERSION for version in self.versions})
        steps = (after - before for before, after in pairwise(numbers))
        return numbers[0] == 1 and all(one == 1 or one >= VERSIONS_AHEAD for one in steps)

    @property
    def is_stopped(self) -> bool:
        """Whether nothing of it may be under way."""
        return self.latest.status is CampaignStatus.STOP

    def in_force(self, since: datetime, until: datetime) -> list[Campaign]:
        """Return what may have been in force at some moment between two instants."""
        ends = [version.known_at + SLACK for version in self.versions[1:]]
        return [
            version.campaign
            for version, end in zip(self.versions, [*ends, until], strict=True)
            if version.at <= until and end >= since
        ]

    def stops(self) -> dict[int, datetime]:
        """Return when the stop of each run was acknowledged, or its end told."""
        stops: dict[int, datetime] = {}
        for version in self.versions:
            if version.campaign.status is not CampaignStatus.RUN:
                told_at = max(version.at, version.known_at)
                stops.setdefault(version.campaign.run_number, told_at)
        return stops

    @property
    def is_redialing(self) -> bool:
        """Whether an ambiguous attempt was ever to be dialed again."""
        redial = AmbiguousHandle.REDIAL
        return any(version.campaign.ambiguous_handle is redial for version in self.versions)


@dataclass(frozen=True, slots=True)
class Standing:
    """A target as the last message about it tells.

    Attributes:
        counts: Attempts by slot.
        addresses: Of all its destinations.
    """

    target_id: str
    outdial_id: str
    status: TargetStatus
    outcome: TargetOutcome | None
    counts: Mapping[int, int]
    addresses: tuple[str, ...]
    created_at: datetime
    is_deleted: bool


@dataclass(frozen=True, slots=True)
class Listing:
    """Whether a number is on any do-not-call list, from when Kafka had it."""

    sequence: int
    known_at: datetime
    is_listed: bool


@dataclass(frozen=True, kw_only=True)
class Log:
    """What Kafka tells.

    Attributes:
        listings: By customer and number, when it came on do-not-call lists and went off all.
        legs: Calls to agents: their channels.
        hidden: Attempts that a client has deleted from the API.
        gaps: What is missing in the story of the calls, in words; none is how it should be.
        messages: How many were read.
        read_at: When a live log ended where it was read to; None: it was exported.
    """

    stories: Mapping[str, Story]
    histories: Mapping[str, History]
    targets: Mapping[str, Standing]
    listings: Mapping[tuple[str, str], tuple[Listing, ...]] = field(default_factory=dict)
    legs: frozenset[str] = frozenset()
    hidden: frozenset[str] = frozenset()
    gaps: tuple[str, ...] = ()
    messages: int = 0
    read_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Shown:
    """A campaign as the API shows it.

    Attributes:
        asked_at: When the API was asked, by our clock.
        calls: The status of each campaigncall.
        targets: The status of each target, and its attempts by slot.
    """

    asked_at: datetime
    calls: Mapping[str, str]
    targets: Mapping[str, tuple[str, Mapping[int, int]]]


@dataclass(frozen=True, slots=True)
class Ring:
    """An origination, and the attempt that it was for."""

    origination: Origination
    story: Story

    @property
    def at(self) -> datetime:
        """When it began, at the earliest."""
        return self.origination.at


@dataclass(frozen=True, kw_only=True)
class Ledgers:
    """The witnesses side by side.

    Attributes:
        originations: By the journal or the call records, in the order of their instants; None:
            neither was given.
        ended_at: By channel, the second in which its call record says that it ended.
        answers: By campaign; None: the API was not asked.
        campaign_ids: Those that are asked about; none: all.
        is_shared: The network serves others too: what rings beside our numbers is theirs.
    """

    log: Log
    originations: Sequence[Origination] | None = None
    ended_at: Mapping[str, datetime] = field(default_factory=dict)
    answers: Mapping[str, Shown] | None = None
    campaign_ids: tuple[str, ...] = ()
    is_shared: bool = False

    @property
    def asked(self) -> tuple[str, ...]:
        """The campaigns that are asked about and that the log knows."""
        wanted = self.campaign_ids or tuple(self.log.histories)
        return tuple(id_ for id_ in wanted if id_ in self.log.histories)

    @cached_property
    def rings(self) -> tuple[Ring, ...]:
        """The originations of attempts that the log knows, in the order of their instants."""
        stories = self.log.stories
        return tuple(
            Ring(line, stories[line.channel_id])
            for line in self.originations or ()
            if line.channel_id in stories
        )

    @cached_property
    def rings_of(self) -> Mapping[str, list[Ring]]:
        """The rings of each campaign."""
        found: defaultdict[str, list[Ring]] = defaultdict(list)
        for ring in self.rings:
            found[ring.story.campaign_id].append(ring)
        return found

    @cached_property
    def rung_at(self) -> Mapping[str, datetime]:
        """When each attempt that was originated was so first."""
        found: dict[str, datetime] = {}
        for ring in self.rings:
            found.setdefault(ring.story.attempt_id, ring.at)
        return found

    def campaigns_with(self, number: str) -> tuple[str, ...]:
        """Return the campaigns whose targets have a number."""
        return tuple(sorted(self._campaigns_with.get(number, ())))

    @cached_property
    def _campaigns_with(self) -> Mapping[str, set[str]]:
        of_outdial: defaultdict[str | None, set[str]] = defaultdict(set)
        for id_, history in self.log.histories.items():
            for version in history.versions:
                of_outdial[version.campaign.outdial_id].add(id_)
        found: defaultdict[str, set[str]] = defaultdict(set)
        for target in self.log.targets.values():
            for address in target.addresses:
                found[number_of(address)] |= of_outdial[target.outdial_id]
        return found

    @cached_property
    def tries_of(self) -> Mapping[str, list[Story]]:
        """The attempts of each target, in their order."""
        found: defaultdict[str, list[Story]] = defaultdict(list)
        for story in self.log.stories.values():
            if story.created_at is not None:
                found[story.target_id].append(story)
        for stories in found.values():
            stories.sort(key=lambda story: (story.created_at, story.attempt_number))
        return found

    def counts(self, story: Story) -> bool:
        """Whether an attempt counts: it was not withdrawn, nor is it to be dialed again."""
        if story.outcome is Outcome.AMBIGUOUS:
            history = self.log.histories.get(story.campaign_id)
            return not (history and history.is_redialing)
        return not story.is_withdrawn

    def end_of(self, story: Story) -> datetime | None:
        """Return when the call of an attempt ended; None: nobody knows."""
        return story.hung_up_at or self.ended_at.get(story.attempt_id)
