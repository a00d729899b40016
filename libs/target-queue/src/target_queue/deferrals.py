"""Targets that a rule has put off, by rule: due later, and looked at again when the rule changes.

Who changes a rule writes the change first and recalls afterwards; so a deferral that was judged by
the old rule is either there to be recalled, or it is seen that the rule has changed meanwhile.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

from chassis.outbox import Outbox

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
from target_queue.packing import microseconds
from target_queue.rules import Rule

RECALLED_AT_ONCE = 500


class Deferrals:
    """The deferred targets of all outdials."""

    def __init__(self, outbox: Outbox) -> None:
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
        shard = outdial_shard(outdial_id)
        recalled = 0
        for rule in rules:
            keys = [due_key(shard, outdial_id), deferred_key(shard, outdial_id, rule)]
            count = RECALLED_AT_ONCE
            while count == RECALLED_AT_ONCE:
                count = int(await self._recall(keys=keys, args=[RECALLED_AT_ONCE]))
                recalled += count
        if recalled:
            await self._redis.publish(wake_channel(shard), outdial_id)
        return recalled
