"""Targets put off by rules: counted rule by rule, recalled when the rule changes, whoever races."""

import asyncio
from datetime import timedelta

import pytest
from chassis.outbox import Outbox
from contracts.campaign import CallingHours, Campaign, Weekday
from contracts.target import Destination, Target
from target_queue import Claim, Claimed, Deferrals, Rule, TargetQueue, Verdict
from target_queue.counts import Deferred, count

from tests.integration.target_queue.test_claims import LEASE, a_running_campaign, a_target, add, ids

HOUR = timedelta(hours=1)
HOURS = (CallingHours(days=tuple(Weekday), opens_minute=480, closes_minute=1260),)


@pytest.fixture
def deferrals(outbox: Outbox) -> Deferrals:
    return Deferrals(outbox)


async def claimed(queue: TargetQueue, campaign: Campaign, wanted: int) -> Claimed:
    found = await queue.claim(campaign, count=wanted, lease=LEASE)
    assert len(found.claims) == wanted
    return found


async def put_off(
    deferrals: Deferrals, campaign: Campaign, found: Claimed, rule: Rule, hours: int
) -> tuple[Claim, ...]:
    """Put claims off by the campaign as it was first."""
    until = found.now + hours * HOUR
    rows = [(claim, until) for claim in found.claims]
    given = await deferrals.put_off(campaign.campaign_id, 1, rule, rows)
    assert given == len(found.claims)
    return found.claims


async def test_who_is_put_off_is_due_at_his_time(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.CALLING_HOURS, 24)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.DO_NOT_CALL, 23)
    found = await queue.claim(campaign, count=2, lease=LEASE)
    assert found.verdict is Verdict.LATER
    assert found.pause is not None
    assert 22 * HOUR < found.pause < 24 * HOUR


async def test_whose_time_has_come_is_claimed_like_everybody_else_in_the_order_of_the_times(
    queue: TargetQueue, deferrals: Deferrals, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 6)
    found = await claimed(queue, campaign, 6)
    rules = (Rule.ATTEMPTS_PER_DAY, Rule.CALLING_HOURS, Rule.DO_NOT_CALL)
    for place, claim in enumerate(found.claims):
        rows = [(claim, found.now - place * HOUR)]
        await deferrals.put_off(campaign.campaign_id, 1, rules[place % 3], rows)
    counts = await count(outbox, outdial, campaign.campaign_id)
    assert (counts.callable_now, counts.due_later, counts.deferred) == (6, 0, ())
    assert ids(await claimed(queue, campaign, 6)) == ids(found)[::-1]


async def test_who_is_put_off_keeps_the_run_going(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 2), Rule.CALLING_HOURS, 1)
    found = await queue.claim(campaign, count=1, lease=LEASE)
    assert (found.verdict, found.waiting, found.in_claim) == (Verdict.LATER, 2, 0)
    assert not found.is_exhausted


async def test_they_are_counted_rule_by_rule(
    queue: TargetQueue, deferrals: Deferrals, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 4)
    first = await claimed(queue, campaign, 2)
    await put_off(deferrals, campaign, first, Rule.CALLING_HOURS, 3)
    second = await claimed(queue, campaign, 1)
    await put_off(deferrals, campaign, second, Rule.DO_NOT_CALL, 1)
    counts = await count(outbox, outdial, campaign.campaign_id)
    assert (counts.callable_now, counts.due_later, counts.in_claim) == (1, 3, 0)
    assert counts.deferred == (
        Deferred(Rule.CALLING_HOURS, 2, first.now + 3 * HOUR),
        Deferred(Rule.DO_NOT_CALL, 1, second.now + HOUR),
    )


async def test_only_those_of_the_rule_that_has_changed_are_recalled(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 2)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.CALLING_HOURS, 1)
    listed = await put_off(
        deferrals, campaign, await claimed(queue, campaign, 1), Rule.DO_NOT_CALL, 1
    )
    assert await deferrals.recall(outdial, [Rule.DO_NOT_CALL]) == 1
    found = await queue.claim(campaign, count=2, lease=LEASE)
    assert ids(found) == [claim.target.target_id for claim in listed]
    assert await deferrals.recall(outdial, [Rule.DO_NOT_CALL]) == 0


async def test_more_than_a_handful_are_recalled(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial, concurrent=2000)
    await add(queue, outdial, 1001)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1001), Rule.CALLING_HOURS, 1)
    assert await deferrals.recall(outdial, [Rule.CALLING_HOURS]) == 1001
    assert len((await queue.claim(campaign, count=1001, lease=LEASE)).claims) == 1001


async def test_a_claimed_target_is_put_off_by_nothing_any_more(
    queue: TargetQueue, deferrals: Deferrals, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    found = await claimed(queue, campaign, 1)
    now = [(claim, found.now) for claim in found.claims]
    await deferrals.put_off(campaign.campaign_id, 1, Rule.IN_CALL, now)
    await claimed(queue, campaign, 1)
    assert await deferrals.recall(outdial, Rule) == 0
    assert (await queue.claim(campaign, count=1, lease=LEASE)).claims == ()


async def test_a_deleted_target_is_put_off_by_nothing_any_more(
    queue: TargetQueue, deferrals: Deferrals, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    (target,) = await add(queue, outdial, 1)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.DO_NOT_CALL, 1)
    await queue.delete(outdial, target.target_id)
    assert (await count(outbox, outdial, campaign.campaign_id)).deferred == ()


async def test_an_edited_rule_recalls_whom_it_has_put_off(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.CALLING_HOURS, 9)
    await queue.admit(campaign.model_copy(update={"name": "another name"}), 2)
    assert (await queue.claim(campaign, count=1, lease=LEASE)).verdict is Verdict.LATER
    await queue.admit(campaign.model_copy(update={"calling_hours": HOURS}), 3)
    await claimed(queue, campaign, 1)


@pytest.mark.parametrize("is_claimed_before", [True, False])
async def test_who_was_judged_by_a_rule_that_has_changed_meanwhile_is_soon_judged_again(
    queue: TargetQueue,
    deferrals: Deferrals,
    outbox: Outbox,
    outdial: str,
    *,
    is_claimed_before: bool,
) -> None:
    """A worker has not heard yet that the rule was edited: the recall came too early for it."""
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    edited = campaign.model_copy(update={"calling_hours": HOURS})
    if not is_claimed_before:
        await queue.admit(edited, 2)
    found = await claimed(queue, campaign, 1)
    if is_claimed_before:
        await queue.admit(edited, 2)
    await put_off(deferrals, campaign, found, Rule.CALLING_HOURS, 9)
    counts = await count(outbox, outdial, campaign.campaign_id)
    assert counts.deferred == ()
    assert counts.next_due_at is not None
    assert counts.next_due_at - counts.at < timedelta(seconds=1)


async def test_a_claim_that_is_in_other_hands_is_not_put_off(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    await add(queue, outdial, 1)
    found = await claimed(queue, campaign, 1)
    await queue.release(outdial, found.claims)
    rows = [(claim, found.now + HOUR) for claim in found.claims]
    rule = Rule.CALLING_HOURS
    assert await deferrals.put_off(campaign.campaign_id, 1, rule, rows) == 0
    await claimed(queue, campaign, 1)


async def test_whose_number_comes_off_a_list_is_recalled_and_nobody_else(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial, concurrent=3000)
    everyone = [numbered(n) for n in range(1200)]
    await queue.add(outdial, campaign.customer_id, everyone)
    found = await claimed(queue, campaign, 1200)
    await put_off(deferrals, campaign, found, Rule.DO_NOT_CALL, 1)
    freed = {"+12125550007", "+12125551100", "+12129999999"}
    assert await deferrals.recall_numbers(outdial, freed) == 2
    wanted = {everyone[7].target_id, everyone[1100].target_id}
    assert set(ids(await queue.claim(campaign, count=9, lease=LEASE))) == wanted


@pytest.mark.parametrize("way", ["its rule", "its number", "itself"])
async def test_who_is_recalled_wakes_whoever_waits(
    queue: TargetQueue, deferrals: Deferrals, outdial: str, wakes: asyncio.Queue[str], way: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    (target,) = await queue.add(outdial, campaign.customer_id, [numbered(7)])
    await put_off(deferrals, campaign, await claimed(queue, campaign, 1), Rule.DO_NOT_CALL, 1)
    while not wakes.empty():
        wakes.get_nowait()
    if way == "its rule":
        await deferrals.recall(outdial, [Rule.DO_NOT_CALL])
    elif way == "its number":
        await deferrals.recall_numbers(outdial, {"+12125550007"})
    else:
        await deferrals.recall_target(outdial, Rule.DO_NOT_CALL, target.target_id)
    async with asyncio.timeout(5):
        await wakes.get()


async def test_one_target_is_recalled_by_its_own_rule_only(
    queue: TargetQueue, deferrals: Deferrals, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    (target, _) = await add(queue, outdial, 2)
    await put_off(deferrals, campaign, await claimed(queue, campaign, 2), Rule.DO_NOT_CALL, 1)
    await deferrals.recall_target(outdial, Rule.CALLING_HOURS, target.target_id)
    assert (await queue.claim(campaign, count=1, lease=LEASE)).claims == ()
    await deferrals.recall_target(outdial, Rule.DO_NOT_CALL, target.target_id)
    assert ids(await queue.claim(campaign, count=2, lease=LEASE)) == [target.target_id]


def numbered(n: int) -> Target:
    """A target whose second destination is a number as people write it."""
    second = Destination(slot=1, kind="sip", address=f"sip:+1212555{n:04d}@carrier.example")
    target = a_target()
    return target.model_copy(update={"destinations": (*target.destinations, second)})
