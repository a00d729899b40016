"""The campaigncalls read model: folded from call events, listed by campaign and by customer."""

import uuid
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from chassis.outbox import Change, Outbox, OutMessage, Record, StaleWrite, Write
from chassis.shards import shard_of
from contracts.call import Attempt, CallDialing
from contracts.envelope import Envelope, wrap
from contracts.resources import CampaignCallDeleted, CampaignCallForgotten
from contracts.topics import RESOURCE_EVENTS

from campaign_manager.domain.campaigncalls import (
    CallRecordFact,
    CallStatus,
    CampaignCall,
    attempt_of,
    fold,
    forgotten,
)
from campaign_manager.usecases.definitions import SOURCE
from campaign_manager.usecases.errors import Conflict, Missing
from campaign_manager.usecases.kinds import SHARD, micros, now

NAMESPACE = "calls"
REMEMBERED = 5000

Listed = tuple[bytes, float]


def call_key(attempt_id: str) -> str:
    """Record of a campaigncall."""
    return f"{{{shard_of(NAMESPACE, attempt_id)}}}:call:{attempt_id}"


def index_key(owner_id: str) -> str:
    """Sorted set of the campaigncalls of a campaign, or of a customer, by creation."""
    return f"{{{shard_of(NAMESPACE, owner_id)}}}:of:{owner_id}"


class CampaignCalls:
    """All attempts, as the API shows them."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._open: OrderedDict[str, tuple[CampaignCall, int]] = OrderedDict()

    async def on_call_event(self, envelope: Envelope[CallRecordFact]) -> None:
        """Fold one fact in; a repeated one changes nothing."""
        fact = envelope.body
        attempt_id, _ = attempt_of(fact)
        before, version = self._open.get(attempt_id, (None, 0))
        if before is None and not isinstance(fact, CallDialing):
            before, version = await self._load(attempt_id)
        while True:
            after = fold(before, fact, envelope.sequence, envelope.time)
            if after is not before:
                try:
                    await self._store(after, version)
                except StaleWrite:  # we thought it new, or another replica was quicker
                    before, version = await self._load(attempt_id)
                    continue
                self._remember(after, version + 1)
            break
        if isinstance(fact, CallDialing) and after.deleted_at is None:
            await self._index(fact.attempt)  # after the record: what is listed is there

    def _remember(self, call: CampaignCall, version: int) -> None:
        if call.status is CallStatus.DONE:
            self._open.pop(call.attempt_id, None)
            return
        self._open[call.attempt_id] = (call, version)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    async def _store(self, call: CampaignCall, version: int) -> None:
        key = call_key(call.attempt_id)
        body = call.model_dump_json(exclude_none=True).encode()
        change = Change(
            shard=shard_of(NAMESPACE, call.attempt_id),
            operation=uuid.uuid4().hex[:12],
            writes=(Write(key, version, body),),
        )
        await self._outbox.commit(change)

    async def _index(self, attempt: Attempt) -> None:
        score = micros(attempt.created_at)
        for owner_id in (attempt.campaign_id, attempt.customer_id):
            await self._outbox.commit(
                Change(
                    shard=shard_of(NAMESPACE, owner_id),
                    operation="",
                    also=(("ZADD", index_key(owner_id), score, attempt.attempt_id),),
                )
            )

    async def _tell_deleted(self, call: CampaignCall, customer_id: str) -> None:
        at, id_ = call.deleted_at or now(), call.attempt_id
        deleted = CampaignCallDeleted(attempt_id=id_, customer_id=customer_id, at=at)
        await self._tell(deleted, f"campaigncall/{id_}")

    async def _tell(self, fact: CampaignCallDeleted | CampaignCallForgotten, subject: str) -> None:
        envelope: Any = wrap(
            fact,
            source=SOURCE,
            subject=subject,
            sequence=0,
            at=fact.at,
            customer_id=fact.customer_id,
        )
        position = await self._outbox.commit(
            Change(SHARD, "", messages=(OutMessage.of(RESOURCE_EVENTS, envelope),))
        )
        await self._outbox.published(position)

    async def _load(self, attempt_id: str) -> tuple[CampaignCall | None, int]:
        record = await self._outbox.read(call_key(attempt_id))
        if record is None:
            return None, 0
        return CampaignCall.model_validate_json(record.body), record.version

    async def get(self, attempt_id: str, customer_id: str) -> CampaignCall:
        """Return a customer's campaigncall, a deleted one too.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        return (await self._owned(attempt_id, customer_id))[0]

    async def _owned(self, attempt_id: str, customer_id: str) -> tuple[CampaignCall, int]:
        call, version = await self._load(attempt_id)
        if call is None or call.attempt is None or call.attempt.customer_id != customer_id:
            raise Missing("campaigncall")
        return call, version

    async def page(self, owner_id: str, before: datetime | None, size: int) -> list[CampaignCall]:
        """Return campaigncalls of a campaign or customer, newest first; an empty page is the end.

        Those created in the same instant are never split between pages.
        """
        below = f"({micros(before)}" if before else "+inf"
        while rows := await self._listed(owner_id, below, size):
            calls = await self._read(id_.decode() for id_, _ in rows)
            shown = [call for call in calls if call.attempt and call.deleted_at is None]
            if shown:
                return shown
            below = f"({rows[-1][1]:.0f}"
        return []

    async def _listed(self, owner_id: str, below: str, size: int) -> list[Listed]:
        key, redis = index_key(owner_id), self._outbox.redis
        rows: Any = await redis.zrevrangebyscore(
            key, below, "-inf", start=0, num=size, withscores=True
        )
        if len(rows) == size:
            last = f"{rows[-1][1]:.0f}"
            ties: Any = await redis.zrevrangebyscore(key, last, last, withscores=True)
            rows += [row for row in ties if row not in rows]
        listed: list[Listed] = rows
        return listed

    async def _read(self, attempt_ids: Iterable[str]) -> list[CampaignCall]:
        """Return records in the order of their ids, asking each shard once."""
        ids = list(attempt_ids)
        by_shard: defaultdict[str, list[str]] = defaultdict(list)
        for id_ in ids:
            by_shard[shard_of(NAMESPACE, id_)].append(id_)
        found: dict[str, Record] = {}
        for part in by_shard.values():
            records = await self._outbox.read_many([call_key(id_) for id_ in part])
            found |= {id_: row for id_, row in zip(part, records, strict=True) if row}
        return [CampaignCall.model_validate_json(found[id_].body) for id_ in ids if id_ in found]

    async def delete(self, attempt_id: str, customer_id: str) -> CampaignCall:
        """Take a campaigncall that is done out of the lists, once Kafka knows.

        Raises:
            Missing: There is none, or it is deleted already.
            Conflict: It is not done.
        """
        while True:
            call, version = await self._owned(attempt_id, customer_id)
            if call.deleted_at is not None:
                raise Missing("campaigncall")
            if call.status is not CallStatus.DONE:
                raise Conflict("the campaigncall is not done")
            deleted = call.model_copy(update={"deleted_at": now()})
            await self._tell_deleted(deleted, customer_id)
            try:
                await self._store(deleted, version)
            except StaleWrite:
                continue
            break
        for owner_id in (call.campaign_id, customer_id):
            await self._outbox.redis.zrem(index_key(owner_id), attempt_id)
        return deleted

    async def forget(self, attempt_id: str, customer_id: str) -> bool:
        """Forget whom an attempt has reached, once Kafka knows; return whether it was shown.

        It may be done again, and for one that is not here any more: a rebuild heeds it.
        """
        at = now()
        fact = CampaignCallForgotten(attempt_id=attempt_id, customer_id=customer_id, at=at)
        await self._tell(fact, f"forgotten/{attempt_id}")
        while True:
            call, version = await self._load(attempt_id)
            if call is None:
                return False
            try:
                await self._store(forgotten(call), version)
            except StaleWrite:
                continue
            return True
