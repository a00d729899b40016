"""The campaigncalls read model: folded from call events, listed by campaign and by customer."""

import uuid
from collections import OrderedDict
from datetime import datetime
from typing import Any

from chassis.outbox import Change, Outbox, StaleWrite, Write
from chassis.shards import shard_of
from contracts.call import Attempt, CallDialing
from contracts.envelope import Envelope

from campaign_manager.domain.campaigncalls import (
    CallRecordFact,
    CallStatus,
    CampaignCall,
    attempt_of,
    fold,
)
from campaign_manager.usecases.definitions import micros, now
from campaign_manager.usecases.errors import Conflict, Missing

NAMESPACE = "calls"
REMEMBERED = 5000


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
        attempt_id, _ = attempt_of(envelope.body)
        if isinstance(envelope.body, CallDialing):
            await self._index(envelope.body.attempt)
        while True:
            before, version = await self._load(attempt_id)
            after = fold(before, envelope.body, envelope.sequence, envelope.time)
            if after is before:
                return
            body = after.model_dump_json(exclude_none=True).encode()
            change = Change(
                shard=shard_of(NAMESPACE, attempt_id),
                operation=uuid.uuid4().hex[:12],
                writes=(Write(call_key(attempt_id), version, body),),
            )
            try:
                await self._outbox.commit(change)
            except StaleWrite:
                self._open.pop(attempt_id, None)
                continue
            self._remember(after, version + 1)
            return

    def _remember(self, call: CampaignCall, version: int) -> None:
        if call.status is CallStatus.DONE:
            self._open.pop(call.attempt_id, None)
            return
        self._open[call.attempt_id] = (call, version)
        if len(self._open) > REMEMBERED:
            self._open.popitem(last=False)

    async def _index(self, attempt: Attempt) -> None:
        """Listed before it is stored: a crash in between leaves a row that is told again."""
        score = micros(attempt.created_at)
        for owner_id in (attempt.campaign_id, attempt.customer_id):
            await self._outbox.commit(
                Change(
                    shard=shard_of(NAMESPACE, owner_id),
                    operation="",
                    also=(("ZADD", index_key(owner_id), score, attempt.attempt_id),),
                )
            )

    async def _load(self, attempt_id: str) -> tuple[CampaignCall | None, int]:
        known = self._open.get(attempt_id)
        if known is not None:
            return known
        record = await self._outbox.read(call_key(attempt_id))
        if record is None:
            return None, 0
        return CampaignCall.model_validate_json(record.body), record.version

    async def get(self, attempt_id: str, customer_id: str) -> CampaignCall:
        """Return a customer's campaigncall.

        Raises:
            Missing: There is none, or it is another customer's.
        """
        record = await self._outbox.read(call_key(attempt_id))
        call = CampaignCall.model_validate_json(record.body) if record else None
        if call is None or call.attempt is None or call.attempt.customer_id != customer_id:
            raise Missing("campaigncall")
        return call

    async def page(self, owner_id: str, before: datetime | None, size: int) -> list[CampaignCall]:
        """Return campaigncalls of a campaign or customer, newest first; ties are never split."""
        key = index_key(owner_id)
        highest = f"({micros(before)}" if before else "+inf"
        rows: Any = await self._outbox.redis.zrevrangebyscore(
            key, highest, "-inf", start=0, num=size, withscores=True
        )
        if len(rows) == size:
            last = f"{rows[-1][1]:.0f}"
            ties: Any = await self._outbox.redis.zrevrangebyscore(key, last, last, withscores=True)
            rows += [row for row in ties if row not in rows]
        calls = []
        for id_, _ in rows:
            record = await self._outbox.read(call_key(id_.decode()))
            if record:
                calls.append(CampaignCall.model_validate_json(record.body))
        return [call for call in calls if call.attempt is not None and call.deleted_at is None]

    async def delete(self, attempt_id: str, customer_id: str) -> CampaignCall:
        """Take a campaigncall that is done out of the lists.

        Raises:
            Missing: There is none.
            Conflict: It is not done.
        """
        call = await self.get(attempt_id, customer_id)
        if call.status is not CallStatus.DONE or call.attempt is None:
            raise Conflict("the campaigncall is not done")
        record = await self._outbox.read(call_key(attempt_id))
        deleted = call.model_copy(update={"deleted_at": now()})
        for owner_id in (call.campaign_id, call.attempt.customer_id):
            await self._outbox.redis.zrem(index_key(owner_id), attempt_id)
        await self._outbox.commit(
            Change(
                shard=shard_of(NAMESPACE, attempt_id),
                operation=uuid.uuid4().hex[:12],
                writes=(
                    Write(
                        call_key(attempt_id),
                        record.version if record else 0,
                        deleted.model_dump_json(exclude_none=True).encode(),
                    ),
                ),
            )
        )
        return deleted
