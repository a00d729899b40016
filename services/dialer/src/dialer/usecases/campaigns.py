"""The campaigns this worker runs: claim what the pace allows, and say when a run is over.

There is no polling of an idle list: a claim that returns nothing says when it is worth asking
again, and new targets, ended calls, agents and changed gates wake the campaign at once.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

import structlog
from chassis.errors import TRANSIENT
from chassis.failpoints import reach
from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from contracts.call import Attempt, Pacing
from contracts.campaign import Campaign, CampaignStatus, EndHandle
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.envelope import wrap
from contracts.topics import DIALING_EVENTS
from target_queue import (
    Claim,
    Claimed,
    Deferrals,
    Pace,
    Pauses,
    Rule,
    TargetQueue,
    Verdict,
    changed_rules,
    sequence_of,
)
from target_queue.keys import outdial_shard, told_key

from dialer.domain.pacing import LARGEST_CLAIM, calls_to_place
from dialer.domain.retries import choose_destination
from dialer.domain.roster import Roster
from dialer.domain.windows import opening_of
from dialer.usecases.commits import SOURCE
from dialer.usecases.dialing import Dialing
from dialer.usecases.measuring import WAITS_AFTER, Standing, WaitsFor, show

log = structlog.get_logger()

LEASE = timedelta(seconds=15)
MEASURED_EVERY_S = 1.0
LONGEST_PAUSE_S = 2.0
AHEAD_S = 0.4
"""Of how many seconds' calls the intents are made ahead, so that each permit finds one waiting."""
GATHER_S = 0.004
REAP_S = 5.0


@dataclass(slots=True)
class Running:
    """One campaign this worker runs."""

    campaign: Campaign
    sequence: int
    standing: Standing = field(default_factory=Standing)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    loop: asyncio.Task[None] | None = None
    dialing: set[asyncio.Task[None]] = field(default_factory=set)
    is_ahead: bool = False


class Campaigns:
    """All campaigns of the partitions this worker has been given."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        queue: TargetQueue,
        deferrals: Deferrals,
        dialing: Dialing,
        pace: Pace,
        pauses: Pauses,
        roster: Roster,
        is_connected: Callable[[], bool],
    ) -> None:
        self._outbox = outbox
        self._queue = queue
        self._deferrals = deferrals
        self._dialing = dialing
        self._pace = pace
        self._pauses = pauses
        self._roster = roster
        self._is_connected = is_connected
        self._running: dict[str, Running] = {}
        self._letting_go: set[asyncio.Task[None]] = set()
        self._stopped = False

    # ---- what happens to them

    async def follow(self, campaign: Campaign, sequence: int) -> None:
        """Take note of a campaign as of one of its events."""
        await self._queue.admit(campaign, sequence)
        id_ = campaign.campaign_id
        is_live = campaign.status is not CampaignStatus.STOP and campaign.deleted_at is None
        if not is_live or campaign.outdial_id is None:
            self._drop(id_)
            return
        running = self._running.get(id_)
        if running is None:
            running = self._running[id_] = Running(campaign, sequence)
            running.loop = asyncio.create_task(self._run(running))
            log.info("campaign taken", campaign_id=id_, status=campaign.status.value)
        rules = changed_rules(running.campaign, campaign)
        running.campaign, running.sequence = campaign, sequence
        await self._deferrals.recall(campaign.outdial_id, rules)
        running.wake.set()

    def _drop(self, campaign_id: str) -> None:
        running = self._running.pop(campaign_id, None)
        if running and running.loop:
            running.loop.cancel()

    def drop_where(self, is_gone: Callable[[str], bool]) -> None:
        """Let go of the campaigns of which this holds: they are another worker's now."""
        for campaign_id in [id_ for id_ in self._running if is_gone(id_)]:
            self._drop(campaign_id)

    async def stop(self) -> None:
        """Claim nothing more; attempts that have begun go on."""
        self._stopped = True
        beginning = {task for running in self._running.values() for task in running.dialing}
        self.drop_where(lambda _: True)
        if beginning:
            await asyncio.wait(beginning, timeout=5.0)

    def wake_all(self) -> None:
        """Ask every campaign to look again: agents or the gateway have changed."""
        for running in self._running.values():
            running.wake.set()

    def wake_outdial(self, outdial_id: str) -> None:
        """Ask the campaigns of an outdial to look again."""
        for running in self._running.values():
            if running.campaign.outdial_id == outdial_id:
                running.wake.set()

    def on_answered(self, attempt: Attempt) -> None:
        """An attempt no longer dials: the queue's capacity has changed."""
        if attempt.queue_id:
            self._let_go(attempt.queue_id, attempt.target_id)

    def on_settled(self, attempt: Attempt) -> None:
        """An attempt has ended: there is room for another."""
        if attempt.queue_id:
            self._let_go(attempt.queue_id, attempt.target_id)
        running = self._running.get(attempt.campaign_id)
        if running:
            running.wake.set()

    # ---- the loop of one campaign

    async def _run(self, running: Running) -> None:
        while not self._stopped:
            try:
                pause = await self._turn(running)
            except TRANSIENT as trouble:
                log.warning("campaign waits", why=str(trouble))
                running.standing.waits_for, pause = WaitsFor.STORE, 0.5
            except Exception:
                log.exception("campaign turn failed", campaign_id=running.campaign.campaign_id)
                running.standing.waits_for, pause = WaitsFor.STORE, 1.0
            is_bound = bool(running.campaign.queue_id) or self._dialing.shares_a_rate(
                running.campaign
            )
            running.standing.note(asyncio.get_running_loop().time(), is_bound=is_bound)
            with suppress(TimeoutError):
                await asyncio.wait_for(running.wake.wait(), min(pause, LONGEST_PAUSE_S))

    async def _turn(self, running: Running) -> float:
        """Claim and begin what may be dialed now; return seconds until the next look."""
        running.wake.clear()
        campaign = running.campaign
        if campaign.status is CampaignStatus.RUN and (left := self._pauses.left):
            running.standing.waits_for = WaitsFor.GATEWAY
            return left.total_seconds()
        count = await self._room(running)
        if count <= 0 and campaign.status is CampaignStatus.RUN:
            return LONGEST_PAUSE_S
        claimed = await self._queue.claim(campaign, count=count, lease=LEASE)
        running.standing.waits_for = WAITS_AFTER[claimed.verdict]
        match claimed.verdict:
            case Verdict.CLAIMED:
                reach("claimed")
                await self._begin(running, claimed)
                await asyncio.sleep(GATHER_S)
                return 0.0
            case Verdict.EMPTY | Verdict.CLOSED:
                await self._over(campaign, claimed)
                return LONGEST_PAUSE_S
            case Verdict.FULL | Verdict.LATER:
                return claimed.pause.total_seconds() if claimed.pause else LONGEST_PAUSE_S

    async def measure(self) -> None:
        """Measure for ever how it stands with the campaigns."""
        while True:
            each = self._running.values()
            rates = ((one.standing, one.campaign.limits.calls_per_second) for one in each)
            show(rates, asyncio.get_running_loop().time())
            await asyncio.sleep(MEASURED_EVERY_S)

    async def _room(self, running: Running) -> int:
        """Return how many targets to claim: none while there are intents enough that wait."""
        campaign = running.campaign
        if campaign.status is not CampaignStatus.RUN:
            return LARGEST_CLAIM  # its gate is closed: the claim tells whether it is drained
        ahead = math.ceil(campaign.limits.calls_per_second * AHEAD_S) - len(running.dialing)
        running.is_ahead = ahead <= 0
        if not self._is_connected():
            running.standing.waits_for = WaitsFor.GATEWAY
            return 0
        if running.is_ahead:
            running.standing.waits_for = WaitsFor.NOTHING
            return 0
        if campaign.queue_id is None:
            return min(LARGEST_CLAIM, ahead)
        dialing = await self._pace.dialing(campaign.queue_id)
        allowed = self._pacing(campaign, campaign.queue_id, dialing).allowed
        running.standing.waits_for = WaitsFor.AGENTS
        return min(LARGEST_CLAIM, ahead, allowed)

    def _pacing(self, campaign: Campaign, queue_id: str, dialing: int) -> Pacing:
        """Return how many calls may be placed for a queue while so many dial already, and why."""
        available = self._roster.available_agents(queue_id)
        waiting = self._roster.waiting(queue_id)
        allowed = calls_to_place(
            available_agents=available,
            dial_ratio_percent=campaign.dial_ratio_percent,
            waiting=waiting,
            dialing=dialing,
        )
        return Pacing(available_agents=available, waiting=waiting, allowed=allowed)

    async def _timely(self, campaign: Campaign, sequence: int, claimed: Claimed) -> Sequence[Claim]:
        """Return the claims that may be called at this hour; put the others off until they may."""
        if campaign.calling_hours is None or campaign.outplan is None:
            return claimed.claims
        timely, late = [], []
        for claim in claimed.claims:
            destination = choose_destination(claim.target, campaign.outplan)
            opening = destination and opening_of(campaign, destination.address, claimed.now)
            if opening:
                late.append((claim, opening))
            else:
                timely.append(claim)
        if late:
            await self._deferrals.put_off(campaign.campaign_id, sequence, Rule.CALLING_HOURS, late)
        return timely

    async def _paced(
        self, campaign: Campaign, claims: Sequence[Claim]
    ) -> tuple[Sequence[Claim], Pacing | None]:
        """Return the claims that have a place among the queue's calls; give the others back."""
        if campaign.queue_id is None:
            return claims, None
        pacing = self._pacing(campaign, campaign.queue_id, 0)
        ring_ms = campaign.outplan.dial_timeout_ms if campaign.outplan else 0
        held = await self._pace.hold(
            campaign.queue_id,
            [claim.target.target_id for claim in claims],
            at_most=pacing.allowed,
            lasting=LEASE + timedelta(milliseconds=ring_ms),
        )
        left = [claim for claim in claims if claim.target.target_id not in held]
        if left:
            await self._queue.release(left[0].target.outdial_id, left)
        return [claim for claim in claims if claim.target.target_id in held], pacing

    async def _begin(self, running: Running, claimed: Claimed) -> None:
        campaign, sequence = running.campaign, running.sequence
        timely = await self._timely(campaign, sequence, claimed)
        paced, pacing = await self._paced(campaign, timely)
        for claim in paced:
            task = asyncio.create_task(
                self._dial(
                    campaign,
                    claim.target.target_id,
                    self._dialing.dial(
                        campaign,
                        claim,
                        sequence=sequence,
                        gate_version=claimed.gate_version,
                        at=claimed.now,
                        pacing=pacing,
                    ),
                )
            )
            running.dialing.add(task)
            task.add_done_callback(partial(_dialed, running))

    async def _dial(self, campaign: Campaign, target_id: str, dial: Awaitable[bool]) -> None:
        is_begun = False
        try:
            is_begun = await dial
        except Exception:
            log.exception("attempt not begun", target_id=target_id)
        running = self._running.get(campaign.campaign_id)
        if is_begun and running is not None:
            running.standing.debt.begin(asyncio.get_running_loop().time())
        if campaign.queue_id and not is_begun:
            self._let_go(campaign.queue_id, target_id)

    def _let_go(self, queue_id: str, target_id: str) -> None:
        """Free the place of a target among its queue's calls, and look who may follow."""

        async def let_go() -> None:
            try:
                await self._pace.let_go(queue_id, target_id)
            except TRANSIENT as trouble:  # it ends by itself
                log.info("place not let go", why=str(trouble))
            self.wake_all()

        task = asyncio.create_task(let_go())
        self._letting_go.add(task)
        task.add_done_callback(self._letting_go.discard)

    # ---- the end of a run

    async def _over(self, campaign: Campaign, claimed: Claimed) -> None:
        if claimed.is_exhausted and campaign.end_handle is EndHandle.STOP:
            told = DialingExhausted(
                campaign_id=campaign.campaign_id, run_number=campaign.run_number
            )
            await self._tell(campaign, told, claimed.now)
        elif claimed.is_drained and campaign.status is CampaignStatus.STOPPING:
            await self._tell(
                campaign,
                DialingDrained(campaign_id=campaign.campaign_id, run_number=campaign.run_number),
                claimed.now,
            )

    async def _tell(
        self, campaign: Campaign, fact: DialingExhausted | DialingDrained, at: datetime
    ) -> None:
        """Say once per run what it has come to."""
        shard = outdial_shard(campaign.outdial_id or "")
        key = told_key(shard, campaign.campaign_id)
        told = f"{fact.run_number} {fact.type}".encode()
        record = await self._outbox.read(key)
        if record and record.body == told:
            return
        version = record.version if record else 0
        envelope = wrap(
            fact,
            source=SOURCE,
            subject=campaign.campaign_id,
            sequence=sequence_of(version + 1),
            at=at,
            customer_id=campaign.customer_id,
        )
        change = Change(
            shard=shard,
            operation=f"{fact.type} {fact.run_number}",
            writes=(Write(key, version, told),),
            messages=(OutMessage.of(DIALING_EVENTS, envelope),),
        )
        with suppress(StaleWrite):
            await self._outbox.commit(change)
            log.info("run is over", campaign_id=campaign.campaign_id, fact=fact.type)

    async def reap(self) -> None:
        """Give back claims whose lease has ended, so that a dead worker holds nothing."""
        while True:
            outdials = {
                running.campaign.outdial_id
                for running in self._running.values()
                if running.campaign.outdial_id
            }
            for outdial_id in outdials:
                given = await self._queue.release(outdial_id)
                if given:
                    log.info("expired claims given back", outdial_id=outdial_id, count=given)
                    self.wake_outdial(outdial_id)
            await asyncio.sleep(REAP_S)


def _dialed(running: Running, dialing: asyncio.Task[None]) -> None:
    running.dialing.discard(dialing)
    if running.is_ahead:
        running.wake.set()
