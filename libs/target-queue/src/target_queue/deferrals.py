"""Targets that a rule has put off, by rule: due later, and looked at again when the rule changes.

Who changes a rule writes the change first and recalls afterwards; so a deferral that was judged by
the old rule is either there to be recalled, or it is seen that the rule has changed meanwhile.
"""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Any

from chassis.outbox import Outbox
from contracts.target import Target

from target_queue.claims import Claim
from target_queue.keys import (
    claims_key,
    deferred_key,
    due_key,
    gate_key,
    outdial_shard,
    target_key,
    wake_channel,
)
from target_queue.numbering import number_of
from target_queue.packing import microseconds, unpack
from target_queue.rules import Rule

RECALLED_AT_ONCE = 500
MOST_LOOKED_FOR = 50


class Deferrals:
    """The deferred targets of all outdials."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._redis = outbox.redis
        self._release = outbox.script(__package__, "release.lua")
        self._recall = outbox.script(__package__, "recall.lua")

    async def put_off(
        self,
        campaign_id: str,
        sequence: int,
        rule: Rule,
        claims: Sequence[tuple[Claim, datetime]],
    ) -> int:
        """Give claims of one outdial back that a rule does not allow yet.

        Args:
            campaign_id: Whose rule.
            sequence: Of the campaign by whose rule they were judged; if its gate has a newer one,
                they are due within a second, to be judged by the campaign as it is now.
            rule: Which.
            claims: Each with the instant from which on it is worth trying again.

        Returns:
            How many were given back; the others are in other hands.
        """
        if not claims:
            return 0
        outdial_id = claims[0][0].target.outdial_id
        shard = outdial_shard(outdial_id)
        words: list[str | int] = [target_key(shard, ""), sequence]
        for claim, until in claims:
            words += (claim.target.target_id, claim.fence, microseconds(until))
        keys = [
            due_key(shard, outdial_id),
            claims_key(shard, outdial_id),
            deferred_key(shard, outdial_id, rule),
            gate_key(shard, campaign_id),
        ]
        return int(await self._release(keys=keys, args=words))

    async def recall(self, outdial_id: str, rules: Iterable[Rule]) -> int:
        """Make all whom these rules have put off callable now; return how many there were."""
        recalled = 0
        for rule in rules:
            count = RECALLED_AT_ONCE
            while count == RECALLED_AT_ONCE:
                count = await self._recall_some(outdial_id, rule, ())
                recalled += count
        return recalled

    async def recall_numbers(self, outdial_id: str, numbers: Collection[str]) -> int:
        """Recall those whom a do-not-call list has put off and who have one of these numbers.

        For many numbers all are recalled: judging them again is less work than looking for them.
        """
        if len(numbers) > MOST_LOOKED_FOR:
            return await self.recall(outdial_id, (Rule.DO_NOT_CALL,))
        ends = [number[-4:].encode() for number in numbers]
        shard = outdial_shard(outdial_id)
        key = deferred_key(shard, outdial_id, Rule.DO_NOT_CALL)
        rows: Any
        recalled, cursor = 0, None
        while cursor != 0:
            cursor, rows = await self._redis.zscan(key, cursor or 0, count=RECALLED_AT_ONCE)
            ids = [row[0].decode() for row in rows]
            records = await self._outbox.read_many([target_key(shard, id_) for id_ in ids])
            chosen = [
                id_
                for id_, record in zip(ids, records, strict=True)
                if record
                and any(end in record.body.lower() for end in ends)
                and _has_any(unpack(id_, outdial_id, record.body), numbers)
            ]
            if chosen:
                recalled += await self._recall_some(outdial_id, Rule.DO_NOT_CALL, chosen)
        return recalled

    async def recall_target(self, outdial_id: str, rule: Rule, target_id: str) -> None:
        """Recall one target, if this rule has put it off."""
        await self._recall_some(outdial_id, rule, (target_id,))

    async def _recall_some(self, outdial_id: str, rule: Rule, target_ids: Collection[str]) -> int:
        shard = outdial_shard(outdial_id)
        keys = [due_key(shard, outdial_id), deferred_key(shard, outdial_id, rule)]
        recalled = int(await self._recall(keys=keys, args=[RECALLED_AT_ONCE, *target_ids]))
        if recalled:
            await self._redis.publish(wake_channel(shard), outdial_id)
        return recalled


def _has_any(target: Target, numbers: Collection[str]) -> bool:
    return any(number_of(destination.address) in numbers for destination in target.destinations)
