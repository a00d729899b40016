"""Messages travel in batches of their partition, one batch after the other."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from aiokafka.producer.message_accumulator import BatchBuilder
from aiokafka.record.default_records import DefaultRecordBatch
from chassis.broker import partition_of
from chassis.publisher import Outgoing, Publisher

BATCH_BYTES = 1000
PARTITIONS = 4


class Log:
    """A producer whose batches are answered when a test says so."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[bytes]]] = []
        self.answers: list[asyncio.Future[None]] = []

    async def partitions_for(self, _topic: str) -> set[int]:
        return set(range(PARTITIONS))

    def create_batch(self) -> BatchBuilder:
        return BatchBuilder(BATCH_BYTES, 0)

    async def send_batch(
        self, batch: BatchBuilder, _topic: str, *, partition: int
    ) -> asyncio.Future[None]:
        values = [bytes(record.value or b"") for record in DefaultRecordBatch(batch._build())]
        self.sent.append((partition, values))
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def until_sent(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.sent) < count:
                await asyncio.sleep(0)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def publisher(log: Log) -> Publisher:
    producer: Any = log
    return Publisher(producer)


def a_message(value: bytes, key: bytes = b"key") -> Outgoing:
    return Outgoing("order.events", key, value, 0, [])


async def test_what_waits_while_a_batch_is_under_way_makes_the_next(
    log: Log, publisher: Publisher
) -> None:
    first = asyncio.create_task(publisher.publish([a_message(b"1"), a_message(b"2")]))
    await log.until_sent(1)
    later = [asyncio.create_task(publisher.publish([a_message(b"%d" % n)])) for n in (3, 4, 5)]
    await asyncio.sleep(0.01)
    assert len(log.sent) == 1, "one batch of a partition at a time"
    log.answers[0].set_result(None)
    await first
    await log.until_sent(2)
    log.answers[1].set_result(None)
    await asyncio.gather(*later)
    assert [values for _, values in log.sent] == [[b"1", b"2"], [b"3", b"4", b"5"]]


async def test_partitions_do_not_wait_for_each_other(log: Log, publisher: Publisher) -> None:
    keys = [b"%d" % number for number in range(20)]
    publishing = asyncio.create_task(publisher.publish([a_message(b"", key) for key in keys]))
    await log.until_sent(PARTITIONS)
    assert {partition for partition, _ in log.sent} == {partition_of(key, 4) for key in keys}
    for answer in log.answers:
        answer.set_result(None)
    await publishing


async def test_a_message_larger_than_a_batch_has_one_for_itself(
    log: Log, publisher: Publisher
) -> None:
    values = [b"a" * 10, b"b" * 5 * BATCH_BYTES, b"c" * 10, b"d" * 10]
    publishing = asyncio.create_task(publisher.publish([a_message(value) for value in values]))
    for sent in range(3):
        await log.until_sent(sent + 1)
        log.answers[sent].set_result(None)
    await publishing
    assert [told for _, told in log.sent] == [[values[0]], [values[1]], values[2:]]


async def test_nothing_is_published_behind_a_batch_that_failed(
    log: Log, publisher: Publisher
) -> None:
    """It would come before what it follows, which is published once more."""
    values = [b"a" * 600, b"b" * 600]
    publishing = asyncio.create_task(publisher.publish([a_message(value) for value in values]))
    await log.until_sent(1)
    log.answers[0].set_exception(KafkaTimeoutError())
    with pytest.raises(KafkaTimeoutError):
        await publishing
    assert [told for _, told in log.sent] == [values[:1]]
