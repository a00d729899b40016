"""Numbers on do-not-call lists: added, taken off and asked for, in bulk."""

from collections.abc import Sequence

from campaign_manager.ports import Listings
from campaign_manager.usecases.definitions import Definitions
from campaign_manager.usecases.errors import Missing
from campaign_manager.usecases.kinds import DO_NOT_CALL
from campaign_manager.usecases.recalls import Recalls


class DoNotCalls:
    """The numbers of all customers' do-not-call lists."""

    def __init__(self, definitions: Definitions, listings: Listings, recalls: Recalls) -> None:
        self._definitions = definitions
        self._listings = listings
        self._recalls = recalls

    async def add(self, list_id: str, customer_id: str, numbers: Sequence[str]) -> int:
        """Put numbers on a list; return how many are new on it.

        Raises:
            Missing: There is no such list.
        """
        await self._definitions.get(DO_NOT_CALL, list_id, customer_id)
        added = await self._listings.change(customer_id, list_id, numbers, is_listed=True)
        try:
            await self._definitions.get(DO_NOT_CALL, list_id, customer_id)
        except Missing:  # deleted meanwhile: nobody could take them off any more
            await self._take_off(list_id, customer_id, numbers)
            raise
        return added

    async def remove(self, list_id: str, customer_id: str, numbers: Sequence[str]) -> int:
        """Take numbers off a list; return how many were on it. Whom it has put off is called now.

        Raises:
            Missing: There is no such list.
        """
        await self._definitions.get(DO_NOT_CALL, list_id, customer_id)
        return await self._take_off(list_id, customer_id, numbers)

    async def _take_off(self, list_id: str, customer_id: str, numbers: Sequence[str]) -> int:
        removed = await self._listings.change(customer_id, list_id, numbers, is_listed=False)
        await self._recalls.numbers(customer_id, numbers)
        return removed

    async def has(self, list_id: str, customer_id: str, number: str) -> bool:
        """Whether a number is on a list.

        Raises:
            Missing: There is no such list.
        """
        await self._definitions.get(DO_NOT_CALL, list_id, customer_id)
        return await self._listings.has(customer_id, list_id, number)

    async def page(self, list_id: str, customer_id: str, after: str, size: int) -> list[str]:
        """Return numbers of a list that stand after one, in their order.

        Raises:
            Missing: There is no such list.
        """
        await self._definitions.get(DO_NOT_CALL, list_id, customer_id)
        return await self._listings.page(list_id, after, size)
