"""Whom a do-not-call list has put off is looked at again as soon as the list lets go of the number.

The list is changed first and the targets are recalled afterwards. A dialer that puts one off asks
once more whether its number is listed: so nobody is put off for a list that he is no longer on.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection

from target_queue import Rule

from campaign_manager.ports import Deferrals
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.kinds import OUTDIAL

OUTDIALS_AT_ONCE = 50


class Recalls:
    """Recalls targets of all outdials of a customer."""

    def __init__(self, definitions: Definitions, deferrals: Deferrals) -> None:
        self._definitions = definitions
        self._deferrals = deferrals

    async def numbers(self, customer_id: str, numbers: Collection[str]) -> None:
        """Look again at the targets of numbers that came off a list.

        Raises:
            Transient: Redis is away; some may have been recalled.
        """
        freed = frozenset(numbers)
        await self._each(customer_id, lambda id_: self._deferrals.recall_numbers(id_, freed))

    async def listed(self, customer_id: str) -> None:
        """Look again at all targets that any list has put off.

        Raises:
            Transient: Redis is away; some may have been recalled.
        """
        rules = (Rule.DO_NOT_CALL,)
        await self._each(customer_id, lambda id_: self._deferrals.recall(id_, rules))

    async def _each(self, customer_id: str, recall: Callable[[str], Awaitable[int]]) -> None:
        ids = [outdial.id for outdial in await self._definitions.every(OUTDIAL, customer_id)]
        for start in range(0, len(ids), OUTDIALS_AT_ONCE):
            part = ids[start : start + OUTDIALS_AT_ONCE]
            await asyncio.gather(*(recall(outdial_id) for outdial_id in part))
