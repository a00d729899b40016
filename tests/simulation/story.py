"""One seed: a campaign with some troubles from its beginning to its end, and what must hold."""

import asyncio
import random
from collections import Counter, defaultdict
from dataclasses import dataclass
from hashlib import blake2b
from itertools import pairwise
from typing import Any

import structlog
from contracts.call import Outcome
from contracts.campaign import CampaignStatus
from contracts.dialing import DialingExhausted
from contracts.target import TargetStatus
from target_queue.keys import claims_key, deferred_keys, due_key, live_key, worker_key
from target_queue.packing import unpack

from tests.simulation.clock import run
from tests.simulation.world import (
    CAMPAIGN,
    NOTICED_AFTER_S,
    OUTDIAL,
    SHARD,
    Worker,
    World,
    drawn_from,
)

LONGEST_S = 900.0
SLACK_S = 1.0
SETTLES_S = 40.0
INTERVAL_S = 5.0


class Broken(AssertionError):
    """A promise was not kept."""


@dataclass
class Ended:
    """What came of a seed.

    Attributes:
        log: A hash of all that was told and dialed: the same for the same seed.
        calls: How many times the network was asked for a call.
        outcomes: Of the attempts.
        deaths: Of workers.
        took_s: Virtual seconds.
    """

    log: str
    calls: int
    outcomes: Counter[str]
    deaths: int
    took_s: float


def play(seed: int, *, is_hard: bool = False) -> Ended:
    """Play a seed to its end.

    Args:
        seed: Decides everything.
        is_hard: With all the trouble that there can be.

    Raises:
        Broken: A promise was not kept.
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(50),
        logger_factory=structlog.ReturnLoggerFactory(),
    )
    chance = random.Random(seed)
    with drawn_from(chance):
        return run(Story(chance, is_hard=is_hard).play())


class Story:
    """The plan of one seed."""

    def __init__(self, chance: random.Random, *, is_hard: bool = False) -> None:
        self.chance = chance
        self.is_hard = is_hard
        self.targets = chance.randint(4, 12)
        self.per_second = chance.randint(2, 8)
        self.max_attempts = chance.randint(1, 3)
        self.trouble = 0.02 if is_hard else chance.choice((0.0, 0.0, 0.002, 0.02))
        self.mischief = 0.1 if is_hard else chance.choice((0.0, 0.0, 0.1))
        self.deaths = 0

    async def play(self) -> Ended:
        chance = self.chance
        self.world = world = World(chance, trouble=self.trouble, mischief=self.mischief)
        await world.load(self.targets, self.per_second, int(INTERVAL_S * 1000), self.max_attempts)
        workers = [
            await world.worker(f"dialer-{n}")
            for n in range(3 if self.is_hard else chance.randint(1, 3))
        ]
        world.give_to(workers[0])
        await world.change(CampaignStatus.RUN, is_new_run=True)
        blows = [chance.choice(BLOWS) for _ in range(6 if self.is_hard else chance.randint(0, 4))]
        plan = asyncio.create_task(self._blows(blows))
        try:
            await self._until_over(plan)
        finally:
            plan.cancel()
        await asyncio.sleep(SETTLES_S)
        self._judge()
        return Ended(
            log=self._hash(),
            calls=len(world.network.journal),
            outcomes=Counter(settled.outcome.value for settled in world.log.settled()),
            deaths=self.deaths,
            took_s=world.loop.time(),
        )

    async def _blows(self, blows: list[Any]) -> None:
        for blow in blows:
            await asyncio.sleep(self.chance.expovariate(0.4))
            await blow(self)
        if self.world.campaign.status is not CampaignStatus.RUN:
            await self.world.change(CampaignStatus.RUN, is_new_run=True)

    async def _until_over(self, plan: asyncio.Task[None]) -> None:
        world = self.world
        while not (plan.done() and self._is_exhausted()):
            if plan.done():
                plan.result()
            if world.loop.time() > LONGEST_S:
                raise Broken(f"the campaign never ends: {self._left()}")
            await asyncio.sleep(0.5)
        await world.change(CampaignStatus.STOP)

    def _is_exhausted(self) -> bool:
        run_number = self.world.campaign.run_number
        return any(
            isinstance(fact, DialingExhausted) and fact.run_number == run_number
            for fact in self.world.log.heard
        )

    # ---- blows

    async def kill(self) -> None:
        """A worker dies; after a while another has its campaign, and it may come back."""
        worker = self._someone()
        worker.kill()
        self.deaths += 1
        if worker in self.world.owners:
            others = [one for one in self.world.workers if one.health.is_alive]
            if others:
                await asyncio.sleep(NOTICED_AFTER_S)
                self.world.give_to(self.chance.choice(others))
        is_last = not any(one.health.is_alive for one in self.world.workers)
        if is_last or self.chance.random() < 0.6:
            await asyncio.sleep(self.chance.uniform(0.0, 12.0))
            back = await self.world.worker(worker.name)
            if not any(one.health.is_alive for one in self.world.owners):
                self.world.give_to(back)

    async def freeze(self) -> None:
        """A worker sleeps, and wakes up when others have taken all from it."""
        worker = self._someone()
        worker.health.freeze()
        others = [one for one in self.world.workers if one.health.is_alive and one is not worker]
        if worker in self.world.owners and others:
            await asyncio.sleep(NOTICED_AFTER_S)
            self.world.give_to(self.chance.choice(others))
        await asyncio.sleep(self.chance.uniform(0.5, 25.0))
        worker.health.thaw()
        if worker not in self.world.owners and self.chance.random() < 0.5:
            self.world.give_to(worker, *self.world.owners)

    async def silence(self) -> None:
        """The log cannot be written for a while."""
        self.world.log.is_away = True
        await asyncio.sleep(self.chance.uniform(0.5, 40.0))
        self.world.log.is_away = False

    async def lose_channels(self) -> None:
        """The gateway dies and is there again: it knows of no call, and has no record of any."""
        self.world.network.restart()
        for worker in self.world.workers:
            if worker.health.is_alive:
                worker.within(worker.recovery.reconcile())

    async def stop(self) -> None:
        """The campaign is stopped, and started again."""
        await self.world.change(CampaignStatus.STOP)
        await asyncio.sleep(self.chance.uniform(0.0, 8.0))
        await self.world.change(CampaignStatus.RUN, is_new_run=True)

    async def share(self) -> None:
        """All workers believe that the campaign is theirs."""
        self.world.give_to(*(one for one in self.world.workers if one.health.is_alive))

    def _someone(self) -> Worker:
        return self.chance.choice([one for one in self.world.workers if one.health.is_alive])

    # ---- what must hold

    def _judge(self) -> None:
        self._one_ring()
        self._one_call_per_number()
        self._one_end()
        self._by_the_plan()
        self._rate()
        self._stops()

    def _one_ring(self) -> None:
        journal, attempts = self.world.network.journal, self.world.log.attempts()
        rings = Counter(line.channel_id for line in journal)
        if twice := [id_ for id_, n in rings.items() if n > 1]:
            raise Broken(f"O1: rang twice: {twice}")
        if strangers := rings.keys() - attempts.keys():
            raise Broken(f"O5: rang without an intent: {strangers}")
        outcomes = {one.attempt_id: one.outcome for one in self.world.log.settled()}
        unrung = {Outcome.CANCELLED, Outcome.AMBIGUOUS, Outcome.FAILED}
        withdrawn = self.world.log.withdrawn()
        for id_ in attempts:
            if id_ not in rings and outcomes.get(id_, Outcome.CANCELLED) not in unrung:
                raise Broken(f"O5: {id_} is {outcomes[id_]} and never rang")
            if id_ in rings and id_ in withdrawn:
                raise Broken(f"O5: {id_} rang and was withdrawn")

    def _one_call_per_number(self) -> None:
        by_number = defaultdict(list)
        for number, began, ended in self.world.network.spans:
            by_number[number].append((began, ended))
        for number, spans in by_number.items():
            for (_, ended), (began, _) in pairwise(sorted(spans)):
                if began < ended:
                    raise Broken(f"O2: {number} had two calls at {began:.3f}")

    def _one_end(self) -> None:
        settled = Counter(one.attempt_id for one in self.world.log.settled())
        if wrong := [id_ for id_ in self.world.log.attempts() if settled[id_] != 1]:
            raise Broken(f"O4: not settled once: {wrong}")
        if left := self._left():
            raise Broken(f"O4: left: {left}")

    def _left(self) -> list[str]:
        """Return what is not done though it should be."""
        store = self.world.store
        left = [
            f"{name}: {store.execute(word, key)}"
            for name, word, key in (
                ("due", "ZCARD", due_key(SHARD, OUTDIAL)),
                *(("put off", "ZCARD", key) for key in deferred_keys(SHARD, OUTDIAL)),
                ("claims", "ZCARD", claims_key(SHARD, OUTDIAL)),
                ("live", "ZCARD", live_key(SHARD, CAMPAIGN)),
            )
            if store.execute(word, key)
        ]
        for name in {worker.name for worker in self.world.workers}:
            if held := store.execute("SMEMBERS", worker_key(SHARD, name)):
                left.append(f"{name} holds {held}")
        return left + [
            f"{target.target_id} is {target.status}"
            for target in self._targets()
            if target.status is not TargetStatus.DONE
        ]

    def _targets(self) -> list[Any]:
        found = []
        for n in range(self.targets):
            key = f"{{{SHARD}}}:target:target-{n}"
            body = self.world.store.execute("GET", key).split(b"|", 2)[2]
            found.append(unpack(f"target-{n}", OUTDIAL, body))
        return found

    def _by_the_plan(self) -> None:
        withdrawn, tries = self.world.log.withdrawn(), defaultdict(list)
        for attempt in self.world.log.attempts().values():
            if attempt.attempt_id not in withdrawn:
                tries[attempt.target_id].append(attempt)
        for target_id, made in tries.items():
            if len(made) > self.max_attempts:
                raise Broken(f"O3: {target_id} had {len(made)} of {self.max_attempts} attempts")
            made.sort(key=lambda attempt: attempt.created_at)
            for before, after in pairwise(made):
                waited_s = self._pause_between(before.attempt_id, after.attempt_id)
                if waited_s is not None and waited_s < INTERVAL_S:
                    raise Broken(f"O3: {target_id} was tried again after {waited_s:.3f} s")

    def _pause_between(self, before: str, after: str) -> float | None:
        """Return the seconds from the end of a call to the next, by the network's own clock."""
        channel = self.world.network.channels.get(before)
        rung_at = next((r.at for r in self.world.network.journal if r.channel_id == after), None)
        if channel is None or channel.cause is None or rung_at is None:
            return None
        return rung_at - channel.ended_at

    def _rate(self) -> None:
        at = [line.at for line in self.world.network.journal]
        for place, first in enumerate(at):
            if sum(1 for other in at[place:] if other < first + 1.0) > self.per_second:
                raise Broken(f"O6: too many calls in the second from {first:.3f}")

    def _stops(self) -> None:
        attempts = self.world.log.attempts()
        for run_number, stopped_at in self.world.stops:
            for line in self.world.network.journal:
                is_its = attempts[line.channel_id].run_number == run_number
                if is_its and line.at > stopped_at + SLACK_S:
                    raise Broken(f"O7: rang {line.at - stopped_at:.3f} s after the stop")

    def _hash(self) -> str:
        told = blake2b(digest_size=8)
        for value in self.world.log.values:
            told.update(value)
        for line in self.world.network.journal:
            told.update(repr(line).encode())
        return told.hexdigest()


BLOWS = (
    Story.kill,
    Story.kill,
    Story.freeze,
    Story.silence,
    Story.stop,
    Story.share,
    Story.lose_channels,
)
