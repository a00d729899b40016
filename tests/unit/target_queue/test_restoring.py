"""Numbers as Kafka tells them: a tombstone ends what was told before it."""

from datetime import UTC, datetime
from typing import Any

from contracts.envelope import Envelope, wrap
from contracts.number import ListedNumber, NumberChanged
from target_queue.restoring import NumbersFold

AT = datetime(2026, 1, 15, tzinfo=UTC)
NUMBER, SUBJECT = "+12125550100", "customer-1/+12125550100"


def listed(sequence: int, *lists: str) -> Envelope[Any]:
    number = ListedNumber(customer_id="customer-1", number=NUMBER, list_ids=lists)
    return wrap(
        NumberChanged(number=number), source="it", subject=SUBJECT, sequence=sequence, at=AT,
        customer_id="customer-1",
    )  # fmt: skip


def test_a_buried_number_is_not_restored() -> None:
    fold = NumbersFold()
    fold.take(listed(16, "list-1"))
    fold.take(listed(32))
    fold.bury(SUBJECT)
    assert list(fold.commands()) == []
    fold.bury(SUBJECT)


def test_a_number_that_is_listed_anew_begins_with_a_low_sequence() -> None:
    fold = NumbersFold()
    fold.take(listed(800, "list-1"))
    fold.bury(SUBJECT)
    fold.take(listed(16, "list-2"))
    assert "list-2" in str(list(fold.commands()))
