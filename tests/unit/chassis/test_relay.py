"""What a relay measures of the outboxes while they are emptied."""

from typing import Any, cast

import pytest
from chassis.metrics import OUTBOX_AGE, OUTBOX_MESSAGES
from chassis.outbox import Outbox
from chassis.relay import Relay


class Emptied:
    """A Redis whose outbox holds a message when it is counted, and none a moment later."""

    async def xlen(self, key: str) -> int:
        return 1

    async def xrange(self, key: str, count: int) -> list[Any]:
        return []


class OfEmptied:
    redis = Emptied()

    def script(self, package: str, name: str) -> None:
        return None


async def test_an_outbox_that_is_emptied_meanwhile_has_no_age() -> None:
    producer: Any = None
    relay = Relay(cast(Outbox, OfEmptied()), producer, ("measured",), lambda *_: None)
    await relay._measure("measured", ["measured-0"])
    assert OUTBOX_MESSAGES.labels("measured")._value.get() == 1
    assert OUTBOX_AGE.labels("measured")._value.get() == pytest.approx(0)
