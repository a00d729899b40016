"""Permits: the last word before a ring, exact over all workers together."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import pytest
from chassis.endings import end
from chassis.outbox import Change, Outbox, Write
from chassis.store import connect
from contracts.campaign import Campaign, CampaignStatus
from target_queue import Permit, Permits, TargetQueue, Word
from target_queue.keys import attempt_key, new_attempt_id, outdial_shard

from tests.integration.target_queue.test_claims import a_running_campaign

SECOND = 1.0


@dataclass
class Worker:
    """A process that asks for permits and answers them as a gateway would."""

    permits: Permits
    outbox: Outbox
    campaign: Campaign

    async def ask(self, attempt_id: str, version: int = 0) -> Word:
        one = self.campaign
        permit = await self.permits.ask(
            one.outdial_id or "", one.campaign_id, one.run_number, attempt_id, version
        )
        return permit.word

    async def ring(self, rings: list[float], delay_s: float) -> None:
        """Originate one attempt: it rings some time between the permit and the answer."""
        one, attempt_id = self.campaign, self.attempt()
        await self.ask(attempt_id)
        await asyncio.sleep(delay_s)
        rings.append(asyncio.get_running_loop().time())
        await asyncio.sleep(delay_s)
        self.permits.answered(one.outdial_id or "", one.campaign_id, one.run_number, attempt_id)

    async def rest(self) -> None:
        """End what still tells the store of answers: it would open a connection of its own."""
        for line in (*self.permits._lines.values(), *self.permits._shared.values()):
            if line.asking is not None:
                await end(line.asking)

    def attempt(self) -> str:
        return new_attempt_id(outdial_shard(self.campaign.outdial_id or ""))

    async def store(self, attempt_id: str, expected: int = 0) -> None:
        shard = outdial_shard(self.campaign.outdial_id or "")
        write = Write(attempt_key(attempt_id), expected, b"{}")
        await self.outbox.commit(Change(shard=shard, operation=uuid4().hex[:12], writes=(write,)))


@pytest.fixture
async def workers(queue: TargetQueue, outdial: str, store_url: str) -> AsyncIterator[list[Worker]]:
    campaign = await a_running_campaign(queue, outdial, per_second=20)
    outboxes = [Outbox(connect(store_url)) for _ in range(3)]
    there = [Worker(Permits(outbox), outbox, campaign) for outbox in outboxes]
    yield there
    for worker in there:
        await worker.rest()
        await worker.outbox.redis.aclose()


async def test_no_rolling_second_sees_more_rings_than_allowed_and_not_many_fewer(
    workers: list[Worker],
) -> None:
    """Whatever time passes between a permit and its ring: here up to 20 ms, and as much after."""
    rings: list[float] = []
    delays = [(number * 7 % 21) / 1000 for number in range(84)]
    await asyncio.gather(*(workers[n % 3].ring(rings, delay_s) for n, delay_s in enumerate(delays)))
    rings.sort()
    for first in rings:
        assert sum(first <= at < first + SECOND for at in rings) <= 20
    assert rings[-1] - rings[0] < 3 * 84 / 20, "the rate is used, too"


async def test_a_campaign_begins_without_a_burst(workers: list[Worker]) -> None:
    """The twenty of its first second are 38 to 50 ms apart, which is their mean distance."""
    rings: list[float] = []
    await asyncio.gather(*(workers[n % 3].ring(rings, 0.0) for n in range(20)))
    assert max(rings) - min(rings) > 19 * 0.035


async def test_a_timer_that_fires_too_early_passes_no_permit_on(outbox: Outbox) -> None:
    """By the worker's clock, which stands still here while the loop's timers fire."""
    now = 0.0
    permits = Permits(outbox, lambda: now)
    future: asyncio.Future[Permit] = asyncio.get_running_loop().create_future()
    permits._pass_on(future, Permit(Word.GO, datetime.now(UTC), 0.0), valid_at=0.01)
    await asyncio.sleep(0.05)
    assert not future.done()
    now = 0.01
    async with asyncio.timeout(5):
        assert (await future).word is Word.GO


async def test_a_permit_moves_the_fence(workers: list[Worker]) -> None:
    worker = workers[0]
    attempt_id = worker.attempt()
    await worker.store(attempt_id)
    assert not await worker.permits.was_given(attempt_id)
    assert await worker.ask(attempt_id, 1) is Word.GO
    record = await worker.outbox.read(attempt_key(attempt_id))
    assert record is not None
    assert record.version == 2
    assert await worker.permits.was_given(attempt_id)


async def test_whose_attempt_was_adopted_gets_none(workers: list[Worker]) -> None:
    slow, heir = workers[:2]
    attempt_id = slow.attempt()
    await slow.store(attempt_id)
    await heir.store(attempt_id, expected=1)
    assert await slow.ask(attempt_id, 1) is Word.LOST
    assert await heir.ask(attempt_id, 2) is Word.GO


async def test_asking_again_after_a_lost_answer_gets_the_same_permit(
    workers: list[Worker],
) -> None:
    worker = workers[0]
    attempt_id = worker.attempt()
    await worker.store(attempt_id)
    assert await worker.ask(attempt_id, 1) is Word.GO
    assert await worker.ask(attempt_id, 1) is Word.GO
    record = await worker.outbox.read(attempt_key(attempt_id))
    assert record is not None
    assert record.version == 2


async def test_an_attempt_that_is_not_there_gets_none(workers: list[Worker]) -> None:
    assert await workers[0].ask(workers[0].attempt(), 1) is Word.LOST


async def test_a_closed_gate_turns_away_even_those_who_wait(
    queue: TargetQueue, workers: list[Worker]
) -> None:
    worker = workers[0]
    for _ in range(20):
        assert await worker.ask(worker.attempt()) is Word.GO
    waiting = asyncio.create_task(worker.ask(worker.attempt()))
    await asyncio.sleep(0.05)
    assert not waiting.done(), "the second is full"
    closed = worker.campaign.model_copy(update={"status": CampaignStatus.STOPPING})
    await queue.admit(closed, sequence=1_000_000)
    async with asyncio.timeout(5):
        assert await waiting is Word.CLOSED
    assert await worker.ask(worker.attempt()) is Word.CLOSED


async def test_a_permit_of_another_run_is_not_valid(workers: list[Worker]) -> None:
    worker = workers[0]
    worker.campaign = worker.campaign.model_copy(update={"run_number": 99})
    assert await worker.ask(worker.attempt()) is Word.CLOSED


async def test_a_shared_rate_holds_over_campaigns_and_workers(workers: list[Worker]) -> None:
    scope, rings = f"caller-{uuid4()}", list[float]()

    async def ring(worker: Worker) -> None:
        attempt_id = worker.attempt()
        await worker.permits.ask_shared(scope, 5, attempt_id)
        rings.append(asyncio.get_running_loop().time())
        worker.permits.answered_shared(scope, attempt_id)

    await asyncio.gather(*(ring(workers[n % 3]) for n in range(13)))
    rings.sort()
    for first in rings:
        assert sum(first <= at < first + SECOND for at in rings) <= 5
