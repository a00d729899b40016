"""Adding and reading targets, gates, and what lies in Redis."""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from uuid import uuid4

from chassis.outbox import Outbox, Position
from chassis.shards import outbox_key
from chassis.store import connect
from contracts.campaign import Campaign, CampaignLimits, CampaignStatus
from contracts.envelope import Envelope
from contracts.target import Destination, Target, TargetAdded, TargetDeleted
from contracts.topics import TARGET_EVENTS
from hypothesis import given
from hypothesis import strategies as st
from target_queue import Claimed, TargetQueue, sequence_of
from target_queue.keys import (
    attempt_shard,
    new_attempt_id,
    outdial_shard,
)
from target_queue.packing import pack, unpack

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


async def told(outbox: Outbox, outdial: str) -> list[Envelope[TargetAdded | TargetDeleted]]:
    adapter = TARGET_EVENTS.adapter()
    entries: Any = await outbox.redis.xrange(outbox_key(outdial_shard(outdial)))
    envelopes = [adapter.validate_json(entry[b"v"]) for _, entry in entries]
    return [envelope for envelope in envelopes if envelope.body.target.outdial_id == outdial]


def ids(found: Claimed) -> list[str]:
    return [claim.target.target_id for claim in found.claims]


# ---- adding


async def test_added_targets_are_stored_as_returned_and_told(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    added = await add(queue, outdial, 3)
    assert [target.name for target in added] == ["0", "1", "2"]
    for target in added:
        assert (target.outdial_id, target.customer_id) == (outdial, CUSTOMER)
        assert await queue.get(outdial, target.target_id) == target
    messages = await told(outbox, outdial)
    assert [message.body.target for message in messages] == added
    assert {message.sequence for message in messages} == {sequence_of(1)}


async def test_creation_instants_are_unique_and_grow_also_among_racing_writers(
    queue: TargetQueue, others: list[TargetQueue], outdial: str
) -> None:
    parts = await asyncio.gather(*(add(each, outdial, 20) for each in [queue, *others] * 5))
    for part in parts:
        assert all(a.created_at < b.created_at for a, b in pairwise(part))
    instants = {target.created_at for part in parts for target in part}
    assert len(instants) == 20 * 20
    assert len(await queue.page(outdial, None, 1000)) == 20 * 20


async def test_a_large_import_is_added_in_its_order(queue: TargetQueue, outdial: str) -> None:
    added = await add(queue, outdial, 1203)
    assert [target.name for target in added] == [f"{n}" for n in range(1203)]
    assert all(a.created_at < b.created_at for a, b in pairwise(added))


async def test_a_target_that_is_there_already_stays_as_it_is(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    (first,) = await add(queue, outdial, 1)
    again = a_target("other name", first.target_id)
    fresh = a_target("fresh")
    assert (await queue.add(outdial, CUSTOMER, [again, fresh]))[0] == first
    assert [message.body.target.name for message in await told(outbox, outdial)] == ["0", "fresh"]


async def test_no_target_is_returned_before_kafka_has_it_not_even_one_that_was_there_already(
    store_url: str, outdial: str
) -> None:
    asked: list[Position] = []

    class Asking(Outbox):
        async def published(self, position: Position) -> None:
            asked.append(position)

    outbox = Asking(connect(store_url))
    queue = TargetQueue(outbox)
    added = await add(queue, outdial, 1203)
    (_, _, last) = asked
    assert last == await outbox.tail(outdial_shard(outdial))
    await queue.add(outdial, CUSTOMER, added[:1])
    assert asked[3:] == [last], "whoever added it may have died before it was published"
    await outbox.redis.aclose()


async def test_a_target_named_twice_in_one_call_is_added_once(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    twin, single = a_target("first"), a_target("single")
    added = await queue.add(outdial, CUSTOMER, [twin, single, a_target("second", twin.target_id)])
    assert [target.name for target in added] == ["first", "single", "first"]
    assert [target.name for target in await queue.page(outdial, None, 10)] == ["single", "first"]
    assert len(await told(outbox, outdial)) == 2


async def test_one_target_added_by_two_at_once_is_added_once(
    queue: TargetQueue, others: list[TargetQueue], outbox: Outbox, outdial: str
) -> None:
    target = a_target("one")
    both = [each.add(outdial, CUSTOMER, [target]) for each in [queue, *others]]
    added = await asyncio.gather(*both)
    assert len({stored.created_at for (stored,) in added}) == 1
    assert len(await told(outbox, outdial)) == 1


# ---- reading


async def test_pages_lead_from_the_newest_to_the_oldest_without_a_gap(
    queue: TargetQueue, outdial: str
) -> None:
    added = await add(queue, outdial, 23)
    walked: list[Target] = []
    before = None
    while page := await queue.page(outdial, before, 5):
        walked += page
        before = page[-1].created_at
    assert walked == added[::-1]


async def test_a_target_added_while_one_pages_does_not_shift_the_pages(
    queue: TargetQueue, outdial: str
) -> None:
    added = await add(queue, outdial, 6)
    first = await queue.page(outdial, None, 3)
    await add(queue, outdial, 2)
    second = await queue.page(outdial, first[-1].created_at, 3)
    assert first + second == added[::-1]


async def test_a_target_is_not_found_through_another_outdial(
    queue: TargetQueue, outdial: str
) -> None:
    (target,) = await add(queue, outdial, 1)
    stranger = next(
        id_
        for id_ in iter(lambda: str(uuid4()), "")
        if outdial_shard(id_) == outdial_shard(outdial)
    )
    assert await queue.get(stranger, target.target_id) is None
    assert await queue.delete(stranger, target.target_id) is None
    assert await queue.get(outdial, target.target_id) == target


async def test_a_deleted_target_is_told_and_is_neither_listed_nor_dialed(
    queue: TargetQueue, outbox: Outbox, outdial: str
) -> None:
    campaign = await a_running_campaign(queue, outdial)
    kept, dropped = await add(queue, outdial, 2)
    deleted = await queue.delete(outdial, dropped.target_id)
    assert deleted is not None
    assert deleted.deleted_at is not None
    assert await queue.get(outdial, dropped.target_id) == deleted
    assert await queue.page(outdial, None, 10) == [kept]
    assert ids(await queue.claim(campaign, count=10, lease=LEASE)) == [kept.target_id]
    assert isinstance((await told(outbox, outdial))[-1].body, TargetDeleted)
    assert await queue.delete(outdial, dropped.target_id) is None, "once"


# ---- gates and wakes


async def test_the_gate_moves_only_forward(queue: TargetQueue, outdial: str) -> None:
    campaign = a_campaign(outdial)
    stopped = campaign.model_copy(update={"status": CampaignStatus.STOPPING})
    await queue.admit(stopped, 32)
    await queue.admit(campaign, 16)  # it was overtaken
    gate = await queue.gate(outdial, campaign.campaign_id)
    assert gate is not None
    assert (gate[0].is_open, gate[0].sequence) == (False, 32)
    await queue.admit(stopped, 32)
    again = await queue.gate(outdial, campaign.campaign_id)
    assert again == gate, "the same once more changes nothing, not even the version"


async def test_racing_admissions_end_with_the_newest(
    queue: TargetQueue, others: list[TargetQueue], outdial: str
) -> None:
    campaign = a_campaign(outdial)
    sequences = list(range(1, 41))
    admissions = [
        each.admit(campaign.model_copy(update={"run_number": n}), n)
        for n, each in zip(reversed(sequences), [queue, *others] * 10, strict=True)
    ]
    await asyncio.gather(*admissions)
    gate = await queue.gate(outdial, campaign.campaign_id)
    assert gate is not None
    assert (gate[0].sequence, gate[0].run_number) == (40, 40)


async def test_new_targets_and_gates_wake_whoever_waits(
    queue: TargetQueue, outdial: str, wakes: asyncio.Queue[str]
) -> None:
    async with asyncio.timeout(5):
        await add(queue, outdial, 1)
        await wakes.get()
        await queue.admit(a_campaign(outdial), 1)
        await wakes.get()


# ---- what lies in Redis


def test_an_attempt_id_tells_its_shard() -> None:
    for number in range(8):
        assert attempt_shard(new_attempt_id(f"dialing-{number}")) == f"dialing-{number}"


TEXTS = st.text(max_size=12)
INSTANTS = st.datetimes(min_value=datetime(2000, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(
    st.builds(
        Target,
        target_id=st.just("t"),
        outdial_id=st.just("o"),
        customer_id=TEXTS,
        name=TEXTS,
        data=TEXTS,
        destinations=st.lists(
            st.builds(
                Destination,
                slot=st.integers(0, 4),
                kind=st.sampled_from(["tel", "sip"]),
                address=TEXTS,
                target_name=TEXTS,
                detail=TEXTS,
            ),
            max_size=5,
        ).map(tuple),
        due_at=st.none() | INSTANTS,
        created_at=INSTANTS,
        updated_at=INSTANTS,
        deleted_at=st.none() | INSTANTS,
    )
)
def test_a_target_survives_its_record(target: Target) -> None:
    assert unpack("t", "o", pack(target)) == target
