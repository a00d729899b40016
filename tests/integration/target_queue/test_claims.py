"""Claims on real Redis: limits, leases and fences, whoever races for them."""

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count as count_from
from random import Random
from uuid import uuid4

import pytest
from chassis.outbox import Change, Outbox, StaleWrite, Write
from contracts.campaign import Campaign, CampaignLimits, CampaignStatus
from contracts.target import Destination, Target
from target_queue import Claim, Claimed, TargetQueue, Verdict
from target_queue.keys import (
    claims_key,
    due_key,
    live_key,
    outdial_shard,
    target_key,
)
from target_queue.packing import microseconds, pack

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
CUSTOMER = "5e4a0680-804e-11ec-8477-2fea5968d85b"
LEASE = timedelta(seconds=30)
SECOND = timedelta(seconds=1)


def a_target(name: str = "", target_id: str | None = None) -> Target:
    return Target(
        target_id=target_id or str(uuid4()),
        outdial_id="",
        customer_id="",
        name=name,
        destinations=(Destination(slot=0, kind="tel", address="+15550100011"),),
        created_at=NOON,
        updated_at=NOON,
    )


def a_campaign(
    outdial: str,
    status: CampaignStatus = CampaignStatus.RUN,
    *,
    run_number: int = 1,
    concurrent: int = 1000,
    per_second: int = 1000,
) -> Campaign:
    return Campaign(
        campaign_id=str(uuid4()),
        customer_id=CUSTOMER,
        status=status,
        run_number=run_number,
        outdial_id=outdial,
        limits=CampaignLimits(max_concurrent_calls=concurrent, calls_per_second=per_second),
        created_at=NOON,
    )


async def a_running_campaign(
    queue: TargetQueue, outdial: str, *, concurrent: int = 1000, per_second: int = 1000
) -> Campaign:
    campaign = a_campaign(outdial, concurrent=concurrent, per_second=per_second)
    await queue.admit(campaign, 1)
    return campaign


async def add(queue: TargetQueue, outdial: str, count: int) -> list[Target]:
    return await queue.add(outdial, CUSTOMER, [a_target(f"{n}") for n in range(count)])


def ids(found: Claimed) -> list[str]:
    return [claim.target.target_id for claim in found.claims]


# ---- claiming


async def test_the_oldest_callable_targets_are_claimed_first(
    queue: TargetQueue, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    added = await add(queue, outdial, 5)
    found = await queue.claim(campaign, count=3, lease=LEASE)
    assert found.verdict is Verdict.CLAIMED
    assert [claim.target for claim in found.claims] == added[:3]
    assert (found.waiting, found.in_claim) == (2, 3)
    assert ids(await queue.claim(campaign, count=3, lease=LEASE)) == [
        target.target_id for target in added[3:]
    ]


async def test_without_a_gate_nothing_is_claimed(queue: TargetQueue, outdial: str) -> None:
    await add(queue, outdial, 1)
    found = await queue.claim(a_campaign(outdial), count=1, lease=LEASE)
    assert (found.verdict, found.claims, found.pause) == (Verdict.CLOSED, (), None)


@pytest.mark.parametrize("status", [CampaignStatus.STOP, CampaignStatus.STOPPING])
async def test_a_closed_gate_stops_whoever_still_believes_in_it(
    queue: TargetQueue, outdial: str, status: CampaignStatus
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    assert ids(await queue.claim(campaign, count=1, lease=LEASE))
    await queue.admit(campaign.model_copy(update={"status": status}), 2)
    assert (await queue.claim(campaign, count=1, lease=LEASE)).verdict is Verdict.CLOSED


@pytest.mark.parametrize("believed", [1, 3])
async def test_the_gate_opens_only_for_its_own_run(
    queue: TargetQueue, outdial: str, believed: int
) -> None:
    campaign = a_campaign(outdial, run_number=2)
    await queue.admit(campaign, 1)
    await add(queue, outdial, 1)
    stale = campaign.model_copy(update={"run_number": believed})
    assert (await queue.claim(stale, count=1, lease=LEASE)).verdict is Verdict.CLOSED
    assert (await queue.claim(campaign, count=1, lease=LEASE)).verdict is Verdict.CLAIMED


async def test_claims_and_open_attempts_together_never_exceed_the_concurrent_limit(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial, concurrent=4)
    await add(queue, outdial, 10)
    await outbox.redis.zadd(live_key(outdial_shard(outdial), campaign.campaign_id), {"call": 1})
    found = await queue.claim(campaign, count=10, lease=LEASE)
    assert len(found.claims) == 3
    assert (await queue.claim(campaign, count=1, lease=LEASE)).verdict is Verdict.FULL
    await queue.release(outdial, found.claims[:1])
    assert len((await queue.claim(campaign, count=10, lease=LEASE)).claims) == 1


async def test_what_is_due_later_is_announced_with_its_pause(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    (target,) = await add(queue, outdial, 1)
    due = microseconds(await queue.now()) + 2_000_000
    await outbox.redis.zadd(due_key(outdial_shard(outdial), outdial), {target.target_id: due})
    found = await queue.claim(campaign, count=1, lease=LEASE)
    assert found.verdict is Verdict.LATER
    assert found.pause is not None
    assert timedelta(0) < found.pause <= timedelta(seconds=2)
    await asyncio.sleep(found.pause / SECOND)
    assert ids(await queue.claim(campaign, count=1, lease=LEASE)) == [target.target_id]


async def test_an_empty_list_is_exhausted_only_when_nothing_is_claimed_or_open(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    claimed = await queue.claim(campaign, count=1, lease=LEASE)
    found = await queue.claim(campaign, count=1, lease=LEASE)
    assert (found.verdict, found.is_exhausted) == (Verdict.EMPTY, False)
    live = live_key(outdial_shard(outdial), campaign.campaign_id)
    await queue.delete(outdial, claimed.claims[0].target.target_id)
    await outbox.redis.zadd(live, {"call": 1})
    assert not (await queue.claim(campaign, count=1, lease=LEASE)).is_exhausted
    await outbox.redis.zrem(live, "call")
    assert (await queue.claim(campaign, count=1, lease=LEASE)).is_exhausted


async def test_a_stopped_campaign_is_drained_only_when_nothing_is_claimed_or_open(
    queue: TargetQueue, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    claimed = await queue.claim(campaign, count=1, lease=LEASE)
    await queue.admit(campaign.model_copy(update={"status": CampaignStatus.STOPPING}), 2)
    assert not (await queue.claim(campaign, count=1, lease=LEASE)).is_drained
    await queue.release(outdial, claimed.claims)
    assert (await queue.claim(campaign, count=1, lease=LEASE)).is_drained


# ---- leases and fences


def an_intent(outdial: str, claim: Claim, operation: str = "") -> Change:
    """What a dialer commits in the name of a claim."""
    shard = outdial_shard(outdial)
    write = Write(target_key(shard, claim.target.target_id), claim.fence, pack(claim.target))
    return Change(shard=shard, operation=operation or uuid4().hex[:12], writes=(write,))


async def test_an_intent_is_made_under_its_claim_and_refused_under_a_released_one(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    kept, given_back = (await queue.claim(campaign, count=2, lease=LEASE)).claims
    await outbox.commit(an_intent(outdial, kept))
    assert await queue.release(outdial, [given_back]) == 1
    with pytest.raises(StaleWrite):
        await outbox.commit(an_intent(outdial, given_back))
    (again,) = (await queue.claim(campaign, count=2, lease=LEASE)).claims
    assert again.target == given_back.target
    assert again.fence > given_back.fence
    with pytest.raises(StaleWrite):
        await outbox.commit(an_intent(outdial, given_back))
    await outbox.commit(an_intent(outdial, again))


async def test_a_claim_can_be_given_back_by_its_holder_alone(
    queue: TargetQueue, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    (old,) = (await queue.claim(campaign, count=1, lease=LEASE)).claims
    await queue.release(outdial, [old])
    (new,) = (await queue.claim(campaign, count=1, lease=LEASE)).claims
    assert await queue.release(outdial, [old]) == 0, "an older claim says nothing any more"
    assert (await queue.claim(campaign, count=1, lease=LEASE)).claims == ()
    assert await queue.release(outdial, [new]) == 1
    assert await queue.release(outdial, [new]) == 0, "once"


async def test_a_claim_whose_lease_has_ended_goes_back_and_a_living_one_stays(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    (short,) = (await queue.claim(campaign, count=1, lease=timedelta(milliseconds=30))).claims
    (long,) = (await queue.claim(campaign, count=1, lease=LEASE)).claims
    async with asyncio.timeout(5):
        while not await queue.release(outdial):
            await asyncio.sleep(0.01)
    with pytest.raises(StaleWrite):
        await outbox.commit(an_intent(outdial, short))
    await outbox.commit(an_intent(outdial, long))
    assert ids(await queue.claim(campaign, count=2, lease=LEASE)) == [short.target.target_id]


async def test_an_intent_under_a_gate_that_has_changed_is_refused(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    gate = await queue.gate(outdial, (await a_running_campaign(queue, outdial)).campaign_id)
    assert gate is not None
    campaign = gate[0].campaign
    await add(queue, outdial, 1)
    found = await queue.claim(campaign, count=1, lease=LEASE)
    assert found.gate_version == gate[1]
    await queue.admit(campaign.model_copy(update={"status": CampaignStatus.STOPPING}), 2)
    after = await queue.gate(outdial, campaign.campaign_id)
    assert after is not None
    assert after[1] > found.gate_version


@pytest.mark.parametrize("seed", range(6))
async def test_no_target_is_ever_in_two_claims(
    queue: TargetQueue, others: list[TargetQueue], outdial: str, seed: int
) -> None:
    """Twelve claimers of four processes; some give claims back, leases end, reapers reap.

    Each target is dialed once: an intent wins its fence alone, and none is lost on the way.
    """
    chance = Random(seed)
    concurrent = chance.randint(2, 30)
    campaign = await a_running_campaign(queue, outdial, concurrent=concurrent)
    added = await add(queue, outdial, chance.randint(1, 60))
    dialed = await dial_all(
        [queue, *others] * 3, campaign, count=chance.randint(1, 9), concurrent=concurrent
    )
    assert Counter(dialed) == Counter(target.target_id for target in added)


async def dial_all(
    queues: list[TargetQueue], campaign: Campaign, *, count: int, concurrent: int
) -> list[str]:
    """Race until the list is exhausted; return the targets whose intent was made."""
    dialed: list[str] = []
    outdial = campaign.outdial_id or ""

    async def work(mine: TargetQueue, number: int) -> None:
        for turn in count_from(number):
            lease = timedelta(milliseconds=2) if turn % 3 == 0 else LEASE
            found = await mine.claim(campaign, count=count, lease=lease)
            assert found.live + found.in_claim <= concurrent
            if found.is_exhausted:
                return
            for place, claim in enumerate(found.claims):
                if (turn + place) % 4 == 0:
                    await mine.release(outdial, [claim])
                elif await is_dialed(mine, outdial, claim):
                    dialed.append(claim.target.target_id)
            await mine.release(outdial)

    async with asyncio.timeout(20), asyncio.TaskGroup() as working:
        for number, mine in enumerate(queues):
            working.create_task(work(mine, number))
    return dialed


async def is_dialed(queue: TargetQueue, outdial: str, claim: Claim) -> bool:
    away = ("ZREM", claims_key(outdial_shard(outdial), outdial), claim.target.target_id)
    try:
        await queue._outbox.commit(replace(an_intent(outdial, claim), also=(away,)))
    except StaleWrite:
        return False  # the lease had ended
    return True


async def test_deleting_a_claimed_target_makes_the_claim_worthless(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    (claim,) = (await queue.claim(campaign, count=1, lease=LEASE)).claims
    await queue.delete(outdial, claim.target.target_id)
    with pytest.raises(StaleWrite):
        await outbox.commit(an_intent(outdial, claim))
    assert await queue.release(outdial, [claim]) == 0
