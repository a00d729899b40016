"""Parties that are forgotten, on a Redis and a Redis Cluster."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from chassis.outbox import Change, Outbox, Write
from contracts.target import FORGOTTEN, Destination, Target, TargetStatus
from target_queue import Forgetting, InCall, Listings, Numbers, TargetQueue
from target_queue.keys import number_key, outdial_shard, target_key
from target_queue.packing import pack

CUSTOMER, NUMBER = "customer-1", "+12125550100"
AT = datetime(2026, 1, 15, tzinfo=UTC)


def a_target(outdial: str) -> Target:
    return Target(
        target_id=str(uuid4()),
        outdial_id=outdial,
        customer_id=CUSTOMER,
        name="Ann",
        data="likes tea",
        destinations=(
            Destination(slot=0, kind="tel", address=NUMBER, target_name="Ann"),
            Destination(slot=2, kind="sip", address=f"sip:{NUMBER}@carrier"),
        ),
        created_at=AT,
        updated_at=AT,
    )


async def test_a_target_is_withdrawn_and_names_nobody(
    outbox: Outbox, queue: TargetQueue, outdial: str
) -> None:
    (target,) = await queue.add(outdial, CUSTOMER, [a_target(outdial)])
    forgetting = Forgetting(outbox)
    assert await forgetting.target(outdial, target.target_id)
    after = await queue.get(outdial, target.target_id)
    assert after is not None
    assert after.deleted_at is not None
    assert (after.name, after.data) == ("", "")
    assert [(one.slot, one.address, one.target_name) for one in after.destinations] == [
        (0, FORGOTTEN, ""),
        (2, FORGOTTEN, ""),
    ]
    assert await queue.page(outdial, None, 10) == []
    assert await forgetting.target(outdial, target.target_id), "again is no error"
    assert not await forgetting.target(outdial, str(uuid4()))


async def test_a_target_in_a_call_is_left_as_it_is(
    outbox: Outbox, queue: TargetQueue, outdial: str
) -> None:
    (target,) = await queue.add(outdial, CUSTOMER, [a_target(outdial)])
    called = target.model_copy(update={"status": TargetStatus.PROGRESSING})
    shard = outdial_shard(outdial)
    write = Write(target_key(shard, target.target_id), 1, pack(called))
    await outbox.commit(Change(shard, "call", writes=(write,)))
    with pytest.raises(InCall):
        await Forgetting(outbox).target(outdial, target.target_id)
    assert await queue.get(outdial, target.target_id) == called


async def buried(log: list[str]) -> None:
    log.append("buried")


async def test_a_number_on_no_list_leaves_nothing(outbox: Outbox) -> None:
    customer, told = str(uuid4()), list[str]()
    listings = Listings(outbox)
    held = Numbers(outbox)
    await held.hold(
        customer, NUMBER, "attempt", per_day=2, per_week=None, lease=timedelta(minutes=1)
    )
    await held.let_go(customer, NUMBER, "attempt", was_dialed=True)
    await listings.change(customer, "list", [NUMBER], is_listed=True)
    forgetting = Forgetting(outbox)
    assert not await forgetting.number(customer, NUMBER, lambda: buried(told)), "it is on a list"
    assert told == []
    assert await listings.has(customer, "list", NUMBER)
    await listings.change(customer, "list", [NUMBER], is_listed=False)
    assert await forgetting.number(customer, NUMBER, lambda: buried(told))
    assert told == ["buried"]
    for part in ("lists", "call", "attempts"):
        assert not await outbox.redis.exists(number_key(customer, NUMBER, part))


async def test_a_number_that_is_listed_while_it_is_forgotten_stays_listed_and_is_told_again(
    outbox: Outbox,
) -> None:
    customer, listings = str(uuid4()), Listings(outbox)

    async def list_it_meanwhile() -> None:
        await listings.change(customer, "list", [NUMBER], is_listed=True)

    assert not await Forgetting(outbox).number(customer, NUMBER, list_it_meanwhile)
    assert await listings.has(customer, "list", NUMBER)
    record = await outbox.read(number_key(customer, NUMBER, "lists"))
    assert record is not None
    assert record.version == 2, "told anew, behind the tombstone"
