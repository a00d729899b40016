"""A number forgotten: by the services' own changes, so that all that follows from them is told.

Each step may be done again. Whoever is killed half-way looks anew and goes on with what is left.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from campaign_manager.usecases.campaigncalls import CampaignCalls
from chassis.outbox import Change, Outbox, StaleWrite, Write
from chassis.shards import tag_of
from contracts.topics import NUMBER_EVENTS
from target_queue import Forgetting, InCall, Listings

from campaignctl.forgetting.scanning import Found
from campaignctl.forgetting.spelling import Spelling


class Refused(Exception):
    """The number is in a call: nothing, or nothing more, has been changed."""


@dataclass(slots=True)
class Erased:
    """How much was forgotten."""

    targets: int = 0
    campaigncalls: int = 0
    records: int = 0
    listings: int = 0
    numbers: int = 0


async def erase(
    outbox: Outbox,
    producer: AIOKafkaProducer,
    found: Found,
    spelling: Spelling,
    *,
    is_list_too: bool = False,
) -> Erased:
    """Forget a number wherever it was found; return how much there was.

    Args:
        outbox: The store, in its epoch.
        producer: For tombstones.
        found: Where it is.
        spelling: The number.
        is_list_too: Also take it off the do-not-call lists.

    Raises:
        Refused: It is in a call.
        Transient: Redis or Kafka is away, or no service relays what was changed.
    """
    done = Erased()
    if found.open:
        raise Refused
    forgetting, calls = Forgetting(outbox), CampaignCalls(outbox)
    try:
        for target_id, outdial_id in found.targets.items():
            done.targets += await forgetting.target(outdial_id, target_id)
    except InCall as in_call:
        raise Refused from in_call
    for attempt_id, customer_id in found.attempts.items():
        if attempt_id not in found.forgotten or attempt_id in found.calls:
            done.campaigncalls += await calls.forget(attempt_id, customer_id)
    for key in found.ended:
        done.records += await _rewrite(outbox, key, spelling)
    for customer_id in found.owners:
        off = await _take_off(outbox, customer_id, spelling) if is_list_too else 0
        done.listings += off
        subject = f"{customer_id}/{spelling.listed}".encode()
        is_told = off > 0 or subject in found.latest[NUMBER_EVENTS.name]
        bury = _tombstone(producer, subject, is_told=is_told)
        done.numbers += await forgetting.number(customer_id, spelling.listed, bury)
    return done


def _tombstone(
    producer: AIOKafkaProducer, key: bytes, *, is_told: bool
) -> Callable[[], Awaitable[None]]:
    """Return what writes the tombstone of a key, where Kafka was told anything else of it."""

    async def bury() -> None:
        if is_told:
            await producer.send_and_wait(NUMBER_EVENTS.name, value=None, key=key)

    return bury


async def _take_off(outbox: Outbox, customer_id: str, spelling: Spelling) -> int:
    listings, count = Listings(outbox), 0
    for list_id in await listings.lists_of(customer_id, spelling.listed):
        count += await listings.change(customer_id, list_id, [spelling.listed], is_listed=False)
    return count


async def _rewrite(outbox: Outbox, key: str, spelling: Spelling) -> bool:
    """Take the number out of a record that is kept for a while; it is kept no longer for that."""
    while (record := await outbox.read(key)) is not None and spelling.is_in(record.body):
        left_ms = await outbox.redis.pttl(key)
        change = Change(
            shard=tag_of(key),
            operation=uuid4().hex[:12],
            writes=(Write(key, record.version, spelling.without(record.body)),),
            also=(("PEXPIRE", key, max(left_ms, 1)),),
        )
        try:
            await outbox.commit(change)
        except StaleWrite:
            continue
        return True
    return False
