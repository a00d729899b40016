"""The queue of targets: the campaign-manager adds and reads, dialers claim, release and settle.

Claims are atomic, leased and fenced: the fence is the version of the target's record, so whatever
is decided under an older claim is refused by the version check of its commit. Time is Redis's.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from chassis.outbox import Change, Outbox, OutMessage, Position, Record, StaleWrite, Write
from contracts.campaign import Campaign
from contracts.envelope import wrap
from contracts.target import Target, TargetAdded, TargetDeleted
from contracts.topics import TARGET_EVENTS

from target_queue.claims import Claim, Claimed, Verdict
from target_queue.deferrals import Deferrals
from target_queue.gates import Gate, gate_of
from target_queue.keys import (
    NAMESPACE,
    claims_key,
    clock_key,
    deferred_keys,
    due_key,
    gate_key,
    live_key,
    order_key,
    outdial_shard,
    target_key,
    wake_channel,
)
from target_queue.packing import instant, microseconds, pack, unpack
from target_queue.rules import changed_rules

SOURCE = "campaign-manager"
LARGEST_ADD = 500
MESSAGES_PER_COMMIT = 16


def sequence_of(version: int, index: int = 0) -> int:
    """Return the sequence of a message in the commit that made a record's version."""
    return version * MESSAGES_PER_COMMIT + index


class TargetQueue:
    """The targets of all outdials."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._redis = outbox.redis
        self._claim = outbox.script(__package__, "claim.lua")
        self._release = outbox.script(__package__, "release.lua")
        self._deferrals = Deferrals(outbox)
        self._adding: dict[str, asyncio.Lock] = {}

    async def now(self) -> datetime:
        """Return the store's time."""
        seconds, micros = await self._redis.time()
        return instant(seconds * 1_000_000 + micros)

    # ---- what the campaign-manager does

    async def add(
        self, outdial_id: str, customer_id: str, targets: Sequence[Target]
    ) -> list[Target]:
        """Add targets and return them as stored, once Kafka has them.

        Each gets a creation instant of its own, unique in its outdial. A target id that is there
        already is left as it is and returned so; of two targets with one id the first is added.
        """
        added: list[Target] = []
        positions: list[Position] = []
        lock = self._adding.setdefault(outdial_id, asyncio.Lock())
        for start in range(0, len(targets), LARGEST_ADD):
            part = targets[start : start + LARGEST_ADD]
            async with lock:
                stored, position = await self._add_part(outdial_id, customer_id, part)
            added += stored
            positions.append(position)
        for position in positions:  # while one part is published, the next is committed
            await self._outbox.published(position)
        return added

    async def _add_part(
        self, outdial_id: str, customer_id: str, targets: Sequence[Target]
    ) -> tuple[list[Target], Position]:
        """Return the targets as stored, and where the last of their messages stands."""
        shard = outdial_shard(outdial_id)
        operation = uuid.uuid4().hex[:12]
        named = {target.target_id: target for target in reversed(targets)}  # the first of twins
        ids = list(dict.fromkeys(target.target_id for target in targets))
        present: dict[str, Target] = {}  # as a rule there is none, and the commit knows better
        while True:
            clock = await self._outbox.read(clock_key(shard, outdial_id))
            last = int(clock.body) if clock else 0
            first = max(microseconds(await self.now()), last + 1)
            fresh = [
                named[id_].model_copy(
                    update={
                        "outdial_id": outdial_id,
                        "customer_id": customer_id,
                        "created_at": (at := instant(first + place)),
                        "updated_at": at,
                        "due_at": None,
                    }
                )
                for place, id_ in enumerate(id_ for id_ in ids if id_ not in present)
            ]
            stored = present | {target.target_id: target for target in fresh}
            try:
                position = (
                    await self._outbox.commit(_addition(shard, operation, clock, fresh))
                    if fresh
                    else await self._outbox.tail(shard)  # Kafka may not have them yet
                )
            except StaleWrite:
                present = await self._present(outdial_id, ids)
                continue
            return [stored[target.target_id] for target in targets], position

    async def _present(self, outdial_id: str, ids: Sequence[str]) -> dict[str, Target]:
        shard = outdial_shard(outdial_id)
        records = await self._outbox.read_many([target_key(shard, id_) for id_ in ids])
        return {
            id_: unpack(id_, outdial_id, record.body)
            for id_, record in zip(ids, records, strict=True)
            if record
        }

    async def get(self, outdial_id: str, target_id: str) -> Target | None:
        """Return a target of an outdial, deleted ones too, or None."""
        found = await self.load(outdial_id, target_id)
        return found[0] if found else None

    async def find(self, target_id: str, outdial_ids: Iterable[str]) -> Target | None:
        """Return a target of one of these outdials, deleted ones too, or None."""
        by_shard: dict[str, list[str]] = {}
        for outdial_id in outdial_ids:
            by_shard.setdefault(outdial_shard(outdial_id), []).append(outdial_id)
        keys = [target_key(shard, target_id) for shard in by_shard]
        records = await asyncio.gather(*(self._outbox.read(key) for key in keys))
        for shard, record in zip(by_shard, records, strict=True):
            for outdial_id in by_shard[shard] if record else ():
                if target := await self.get(outdial_id, target_id):
                    return target
        return None

    async def load(self, outdial_id: str, target_id: str) -> tuple[Target, int] | None:
        """Return a target and the version of its record, or None."""
        shard = outdial_shard(outdial_id)
        record = await self._outbox.read(target_key(shard, target_id))
        if record is None:
            return None
        target = unpack(target_id, outdial_id, record.body)
        if target.deleted_at is None and not await self._is_listed(target):
            return None  # it belongs to another outdial of the same shard
        return target, record.version

    async def _is_listed(self, target: Target) -> bool:
        place = f"{microseconds(target.created_at)}-0"
        key = order_key(outdial_shard(target.outdial_id), target.outdial_id)
        rows: Any = await self._redis.xrange(key, min=place, max=place)
        return bool(rows) and rows[0][1][b"t"] == target.target_id.encode()

    async def page(self, outdial_id: str, before: datetime | None, size: int) -> list[Target]:
        """Return up to `size` targets created before an instant, newest first."""
        shard = outdial_shard(outdial_id)
        newest = f"{microseconds(before) - 1}-0" if before else "+"
        rows: Any = await self._redis.xrevrange(
            order_key(shard, outdial_id), max=newest, count=size
        )
        ids = [row[b"t"].decode() for _, row in rows]
        records = await self._outbox.read_many([target_key(shard, id_) for id_ in ids])
        return [
            unpack(id_, outdial_id, record.body)
            for id_, record in zip(ids, records, strict=True)
            if record
        ]

    async def delete(self, outdial_id: str, target_id: str) -> Target | None:
        """Mark a target deleted: it is never dialed again. Return it, or None if there is none."""
        operation = uuid.uuid4().hex[:12]
        while True:
            found = await self.load(outdial_id, target_id)
            if found is None or found[0].deleted_at:
                return None
            before, version = found
            now = await self.now()
            target = before.model_copy(update={"deleted_at": now, "updated_at": now})
            change = withdrawal(target, version, operation)
            try:
                await self._outbox.published(await self._outbox.commit(change))
            except StaleWrite:
                continue
            return target

    async def admit(self, campaign: Campaign, sequence: int) -> None:
        """Open or close the campaign's gate as of a sequence of its events; never backwards.

        Whom a rule has put off that is another one now is callable afterwards, and judged again.
        """
        if campaign.outdial_id is None:
            return
        shard = outdial_shard(campaign.outdial_id)
        key = gate_key(shard, campaign.campaign_id)
        body = gate_of(campaign, sequence).model_dump_json().encode()
        while True:
            record = await self._outbox.read(key)
            before = Gate.model_validate_json(record.body) if record else None
            if before and before.sequence >= sequence:
                return
            change = Change(
                shard=shard,
                operation=f"admit-{sequence}",
                writes=(Write(key, record.version if record else 0, body),),
                also=(("PUBLISH", wake_channel(shard), campaign.outdial_id),),
            )
            try:
                await self._outbox.commit(change)
            except StaleWrite:
                continue
            rules = changed_rules(before.campaign if before else None, campaign)
            await self._deferrals.recall(campaign.outdial_id, rules)
            return

    # ---- what a dialer does

    async def gate(self, outdial_id: str, campaign_id: str) -> tuple[Gate, int] | None:
        """Return a campaign's gate and the version of its record, or None."""
        record = await self._outbox.read(gate_key(outdial_shard(outdial_id), campaign_id))
        return (Gate.model_validate_json(record.body), record.version) if record else None

    async def claim(self, campaign: Campaign, *, count: int, lease: timedelta) -> Claimed:
        """Claim up to `count` callable targets, while the campaign's gate is open and has room."""
        outdial_id = campaign.outdial_id or ""
        shard = outdial_shard(outdial_id)
        keys = [
            gate_key(shard, campaign.campaign_id),
            due_key(shard, outdial_id),
            claims_key(shard, outdial_id),
            live_key(shard, campaign.campaign_id),
            *deferred_keys(shard, outdial_id),
        ]
        lease_micros = lease // timedelta(microseconds=1)
        args: list[str | int] = [count, lease_micros, target_key(shard, ""), campaign.run_number]
        said: Any = await self._claim(keys=keys, args=args)
        pause = int(said[1])
        rows = said[7:]
        return Claimed(
            verdict=Verdict(said[0].decode()),
            pause=timedelta(microseconds=pause) if pause else None,
            gate_version=int(said[2]),
            now=instant(int(said[3])),
            live=said[4],
            waiting=said[5],
            in_claim=said[6],
            claims=tuple(
                Claim(unpack(rows[n].decode(), outdial_id, rows[n + 2]), rows[n + 1])
                for n in range(0, len(rows), 3)
            ),
        )

    async def wakes(self) -> AsyncIterator[str]:
        """Yield the id of each outdial that has new targets or a changed gate, as it happens."""
        await self._redis.initialize()  # a cluster's client must know the nodes first
        async with self._redis.pubsub() as pubsub:
            await pubsub.psubscribe(wake_channel("*").replace("{*}", "{" + NAMESPACE + "-*}"))
            async for heard in pubsub.listen():
                if heard["type"] == "pmessage":
                    yield heard["data"].decode()

    async def release(self, outdial_id: str, claims: Sequence[Claim] = ()) -> int:
        """Give claims back; without any, those whose lease has ended. Return how many."""
        shard = outdial_shard(outdial_id)
        words: list[str | int] = [target_key(shard, ""), 0]
        for claim in claims:
            words += (claim.target.target_id, claim.fence, 0)
        keys = [due_key(shard, outdial_id), claims_key(shard, outdial_id)]
        return int(await self._release(keys=keys, args=words))


def _addition(shard: str, operation: str, clock: Record | None, fresh: Sequence[Target]) -> Change:
    """Return the change that adds targets; the clock's version keeps their order unique."""
    outdial_id = fresh[0].outdial_id
    last = str(microseconds(fresh[-1].created_at)).encode()
    due: list[str | bytes | int | float] = ["ZADD", due_key(shard, outdial_id)]
    order = order_key(shard, outdial_id)
    also: list[tuple[str | bytes | int | float, ...]] = []
    messages: list[OutMessage] = []
    for target in fresh:
        micros = microseconds(target.created_at)
        due += (micros, target.target_id)
        also.append(("XADD", order, f"{micros}-0", "t", target.target_id))
        envelope = wrap(
            TargetAdded(target=target),
            source=SOURCE,
            subject=target.target_id,
            sequence=sequence_of(1),
            at=target.created_at,
            customer_id=target.customer_id,
        )
        messages.append(OutMessage.of(TARGET_EVENTS, envelope))
    also += (tuple(due), ("PUBLISH", wake_channel(shard), outdial_id))
    return Change(
        shard=shard,
        operation=operation,
        writes=(
            Write(clock_key(shard, outdial_id), clock.version if clock else 0, last),
            *(Write(target_key(shard, t.target_id), 0, pack(t)) for t in fresh),
        ),
        also=tuple(also),
        messages=tuple(messages),
    )


def withdrawal(target: Target, version: int, operation: str) -> Change:
    """Return the change that takes a target out of its outdial, decided on a version of it."""
    outdial_id, id_, shard = target.outdial_id, target.target_id, outdial_shard(target.outdial_id)
    envelope = wrap(
        TargetDeleted(target=target),
        source=SOURCE,
        subject=id_,
        sequence=sequence_of(version + 1),
        at=target.updated_at,
        customer_id=target.customer_id,
    )
    return Change(
        shard=shard,
        operation=operation,
        writes=(Write(target_key(shard, id_), version, pack(target)),),
        also=(
            ("ZREM", due_key(shard, outdial_id), id_),
            ("ZREM", claims_key(shard, outdial_id), id_),
            *(("ZREM", key, id_) for key in deferred_keys(shard, outdial_id)),
            ("XDEL", order_key(shard, outdial_id), f"{microseconds(target.created_at)}-0"),
        ),
        messages=(OutMessage.of(TARGET_EVENTS, envelope),),
    )
