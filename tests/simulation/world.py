"""One world: workers with the dialer's own code, a store, a log and a network that all may fail."""

import asyncio
import contextvars
import random
import uuid
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from typing import Any, cast
from unittest.mock import patch

from chassis import clock as clock_module
from chassis.clock import StoreClock
from chassis.outbox import Outbox
from chassis.shards import outbox_key, shards_of
from contracts.call import Attempt, CallDialing, CallHungUp, CallSettled, Outcome
from contracts.campaign import Campaign, CampaignLimits, CampaignStatus
from contracts.dialing import DialingDrained, DialingExhausted
from contracts.envelope import Envelope
from contracts.resources import Outplan
from contracts.target import Destination, Target
from contracts.topics import CALL_EVENTS, DIALING_EVENTS
from dialer.domain.roster import Roster
from dialer.usecases import fleet as fleet_module
from dialer.usecases import recovery as recovery_module
from dialer.usecases.attempts import Attempts
from dialer.usecases.campaigns import Campaigns
from dialer.usecases.dialing import Dialing
from dialer.usecases.fleet import Fleet
from dialer.usecases.holds import Holds
from dialer.usecases.recovery import Recovery
from target_queue import Deferrals, Numbers, Pace, Pauses, Permits, TargetQueue, Workers
from target_queue.keys import outdial_shard
from target_queue.queue import _addition

from tests.simulation.clock import BEGIN, Clock, skew_s
from tests.simulation.lines import Health, StoreLine
from tests.simulation.network import GatewayLine, Network
from tests.simulation.store import Store

OUTDIAL, CAMPAIGN, CUSTOMER = "outdial-1", "campaign-1", "customer-1"
SHARD = outdial_shard(OUTDIAL)
RELAY_S = (0.004, 0.03)
AWAY_S = 0.2
SKEW_S = 30.0
NOTICED_AFTER_S = 6.0
MICROSECOND = timedelta(microseconds=1)


owner_of: contextvars.ContextVar["Worker | None"] = contextvars.ContextVar("owner", default=None)


class Telling:
    """The log: what the relay has published, in its order; each worker hears of it a bit later."""

    def __init__(self, store: Store, chance: random.Random) -> None:
        self._store, self._chance = store, chance
        self._has_entries = asyncio.Event()
        store.on_entry = self._has_entries.set
        self.is_away = False
        self.said: list[tuple[float, Envelope[Any]]] = []
        self.values: list[bytes] = []
        self.outboxes: list[Outbox] = []
        self._parse = {
            topic.name: topic.adapter().validate_json for topic in (CALL_EVENTS, DIALING_EVENTS)
        }
        self.heard: list[DialingExhausted | DialingDrained] = []

    async def relay(self) -> None:
        """Publish for ever what the outbox holds."""
        loop, key = asyncio.get_running_loop(), outbox_key(SHARD)
        while True:
            await self._has_entries.wait()
            await asyncio.sleep(self._chance.uniform(*RELAY_S))
            if self.is_away:
                await asyncio.sleep(AWAY_S)
                continue
            self._has_entries.clear()
            rows = self._store.execute("XRANGE", key, "-", "+")
            if not rows:
                continue
            for _, words in rows:
                message = dict(zip(words[::2], words[1::2], strict=True))
                self.values.append(message[b"v"])
                if (parse := self._parse.get(message[b"t"].decode())) is not None:
                    envelope = parse(message[b"v"])
                    self.said.append((loop.time(), envelope))
                    if isinstance(envelope.body, DialingExhausted | DialingDrained):
                        self.heard.append(envelope.body)
            self._store.execute("XDEL", key, *(id_ for id_, _ in rows))
            milliseconds, _, number = rows[-1][0].partition(b"-")
            last = int(milliseconds), int(number)
            for outbox in self.outboxes:
                loop.call_later(self._chance.uniform(0.0005, 0.004), outbox.hear, SHARD, last)

    def attempts(self) -> dict[str, Attempt]:
        return {
            e.body.attempt.attempt_id: e.body.attempt
            for _, e in self.said
            if isinstance(e.body, CallDialing)
        }

    def withdrawn(self) -> set[str]:
        """The attempts that were taken back: cancelled, and nobody has heard of a call's end."""
        ended = {e.body.attempt_id for _, e in self.said if isinstance(e.body, CallHungUp)}
        cancelled = {s.attempt_id for s in self.settled() if s.outcome is Outcome.CANCELLED}
        return cancelled - ended

    def settled(self) -> Iterator[CallSettled]:
        return (e.body for _, e in self.said if isinstance(e.body, CallSettled))


class Worker:
    """One process of the dialer; its tasks, and whatever they start, die with it."""

    def __init__(self, world: "World", name: str, skew: float, trouble: float) -> None:
        self.name, self.world = name, world
        self.health = Health(world.chance, trouble)
        self._skew = skew
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        await self.within(self._start())

    def within(self, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Do something as a part of this process."""
        before = skew_s.set(self._skew)
        owner = owner_of.set(self)
        try:
            return asyncio.create_task(work)
        finally:
            skew_s.reset(before)
            owner_of.reset(owner)

    async def _start(self) -> None:
        redis: Any = StoreLine(self.world.store, self.health)
        self.outbox = Outbox(redis)
        self.world.log.outboxes.append(self.outbox)
        queue, permits = TargetQueue(self.outbox), Permits(self.outbox, self.world.loop.time)
        deferrals, pauses = Deferrals(self.outbox), Pauses(self.outbox)
        clock = StoreClock()
        attempts = Attempts(outbox=self.outbox, queue=queue, worker=self.name, now=clock.now)

        def hear(signal: Any) -> None:
            self.world.loop.call_soon(partial(self._hear, attempts, signal))

        gateway: Any = GatewayLine(self.world.network, self.health, self.name, hear)
        self.world.network.connect(self.name, hear)
        holds = Holds(Numbers(self.outbox), attempts.open_attempts)
        dialing = Dialing(
            outbox=self.outbox, queue=queue, permits=permits, attempts=attempts, gateway=gateway,
            holds=holds, worker=self.name, gateway_calls_per_second=None, deferrals=deferrals,
            pauses=pauses,
        )  # fmt: skip
        self.campaigns = Campaigns(
            outbox=self.outbox, queue=queue, dialing=dialing, pace=Pace(self.outbox),
            roster=Roster(), is_connected=lambda: True, deferrals=deferrals, pauses=pauses,
        )  # fmt: skip
        self.recovery = Recovery(
            outbox=self.outbox, attempts=attempts, dialing=dialing, gateway=gateway,
            worker=self.name,
        )  # fmt: skip
        fleet = Fleet(
            outbox=self.outbox, workers=Workers(self.outbox), permits=permits, attempts=attempts,
            recovery=self.recovery, gateway=gateway, worker=self.name,
        )  # fmt: skip
        attempts.attach(
            gateway=gateway,
            listener=self.campaigns,
            on_ended=lambda attempt, was_dialed: holds.let_go(attempt, was_dialed=was_dialed),
        )
        dialing.attach(recover=self.recovery.recover)
        self.attempts = attempts
        await for_ever(lambda: clock.set_by(self.outbox), is_once=True)
        await for_ever(self.recovery.take_up, is_once=True)
        for loop in (
            lambda: clock.follow(self.outbox),
            fleet.beat,
            self.recovery.watch,
            self.campaigns.reap,
            holds.renew,
            self._reconcile,
        ):
            self.within(for_ever(loop))

    async def _reconcile(self) -> None:
        await self.recovery.reconcile()
        await asyncio.Event().wait()

    def _hear(self, attempts: Attempts, signal: Any) -> None:
        if self.health.is_alive:
            self.within(self._take(attempts, signal))

    async def _take(self, attempts: Attempts, signal: Any) -> None:
        await self.health.go()
        attempts.hear(signal)

    def own(self, task: asyncio.Task[Any]) -> None:
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def kill(self) -> None:
        """End at once: whatever is on its way arrives, and nobody is there to hear the answer."""
        self.health.is_alive = False
        self.world.network.disconnect(self.name)
        self.world.log.outboxes.remove(self.outbox)
        for task in list(self._tasks):
            task.cancel()


def owned(loop: asyncio.AbstractEventLoop, work: Any, **how: Any) -> asyncio.Task[Any]:
    """Make a task of whichever process makes it."""
    task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **how)
    if (owner := owner_of.get()) is not None:
        owner.own(task)
    return task


async def for_ever(loop: Any, *, is_once: bool = False) -> None:
    """Run a background loop as a service does: again whenever a line broke."""
    while True:
        try:
            await loop()
            if is_once:
                return
        except Exception:
            await asyncio.sleep(0.5)


class World:
    """Store, log, network and workers, all drawn from one seed."""

    def __init__(self, chance: random.Random, *, trouble: float, mischief: float) -> None:
        self.loop = asyncio.get_running_loop()
        self.loop.set_task_factory(cast(Any, owned))
        self.chance, self.trouble = chance, trouble
        self.store = Store(self._now_us)
        self.network = Network(chance, mischief)
        self.log = Telling(self.store, chance)
        self.workers: list[Worker] = []
        self.manager = Outbox(cast(Any, StoreLine(self.store, Health(chance))))
        self.log.outboxes.append(self.manager)
        self.queue = TargetQueue(self.manager)
        self.campaign: Campaign
        self.sequence = 0
        self.stops: list[tuple[int, float]] = []
        self._relaying = asyncio.create_task(self.log.relay())

    def _now_us(self) -> int:
        return int((BEGIN.timestamp() + self.loop.time()) * 1_000_000)

    async def worker(self, name: str) -> Worker:
        worker = Worker(self, name, self.chance.uniform(-SKEW_S, SKEW_S), self.trouble)
        self.workers.append(worker)
        await worker.start()
        return worker

    # ---- what the campaign-manager does

    async def load(self, targets: int, per_second: int, interval_ms: int, attempts: int) -> None:
        """Make a campaign with targets; some share a number."""
        outplan = Outplan(
            id="outplan-1", customer_id=CUSTOMER, created_at=BEGIN, try_interval_ms=interval_ms,
            max_attempts=(attempts, 0, 0, 0, 0), dial_timeout=5000,
        )  # fmt: skip
        self.campaign = Campaign(
            campaign_id=CAMPAIGN, customer_id=CUSTOMER, outdial_id=OUTDIAL, outplan=outplan,
            limits=CampaignLimits(max_concurrent_calls=8, calls_per_second=per_second),
            created_at=BEGIN,
        )  # fmt: skip
        fresh = [
            Target(
                target_id=f"target-{n}", outdial_id=OUTDIAL, customer_id=CUSTOMER,
                destinations=(
                    Destination(
                        slot=0, kind="tel",
                        address=f"+1212555{self.chance.randrange(targets * 2) * 10 + n % 10:04d}",
                    ),
                ),
                created_at=BEGIN + n * MICROSECOND, updated_at=BEGIN + n * MICROSECOND,
            )
            for n in range(targets)
        ]  # fmt: skip
        await self.manager.commit(_addition(SHARD, "add", None, fresh))

    async def change(self, status: CampaignStatus, *, is_new_run: bool = False) -> None:
        """Move the campaign, and tell its owners a moment later."""
        self.sequence += 16
        run = self.campaign.run_number + int(is_new_run)
        self.campaign = self.campaign.model_copy(update={"status": status, "run_number": run})
        await self.queue.admit(self.campaign, self.sequence)
        if status is not CampaignStatus.RUN:
            self.stops.append((run, self.loop.time()))
        for worker in self.workers:
            self.tell(worker)

    def tell(self, worker: Worker) -> None:
        """Let a worker know of the campaign, if it is its owner."""
        if worker.health.is_alive and worker in self.owners:
            worker.within(self._tell(worker))

    owners: list[Worker]

    async def _tell(self, worker: Worker) -> None:
        """Let it follow the campaign as it is by then: one key's messages keep their order."""
        await asyncio.sleep(self.chance.uniform(0.001, 0.05))
        await worker.health.go()
        follow = worker.campaigns.follow
        await for_ever(lambda: follow(self.campaign, self.sequence), is_once=True)

    def give_to(self, *owners: Worker) -> None:
        """Let some workers run the campaign, and the others not."""
        before, self.owners = getattr(self, "owners", []), list(owners)
        for worker in before:
            if worker not in owners and worker.health.is_alive:
                worker.campaigns.drop_where(lambda _: True)
        for worker in owners:
            self.tell(worker)


@contextmanager
def drawn_from(chance: random.Random) -> Iterator[None]:
    """Let names, clocks and the shards of the code under test come from the simulation."""
    one_shard = lambda namespace: tuple(s for s in shards_of(namespace) if s == SHARD)  # noqa: E731
    with (
        patch.object(uuid, "uuid4", lambda: uuid.UUID(int=chance.getrandbits(128), version=4)),
        patch.object(fleet_module, "shards_of", one_shard),
        patch.object(recovery_module, "shards_of", one_shard),
        patch.object(clock_module, "datetime", Clock),
    ):
        yield
