"""Messages of a batch: order, poison, faults."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka.errors import KafkaError, MessageSizeTooLargeError, UnknownTopicOrPartitionError
from chassis.errors import Transient
from faststream.kafka import KafkaBroker

if TYPE_CHECKING:
    from contracts.envelope import Envelope

    from tests.integration.batches.conftest import Handled, Market


async def test_messages_of_one_key_are_handled_in_their_order(
    market: Market, handled: Handled
) -> None:
    chance = Random(7)
    for number in range(120):
        await market.place(f"key-{number % 9}", number, partition=None)

    async def on_message(envelope: Envelope[Any]) -> None:
        await asyncio.sleep(chance.random() / 300)
        await handled(envelope)

    async with market.member(on_message):
        await handled.count(120)
    for key, numbers in handled.by_key.items():
        assert numbers == sorted(numbers), key
    assert sorted(handled.numbers) == list(range(120))


async def test_keys_are_handled_at_the_same_time(market: Market, handled: Handled) -> None:
    """Each waits for the other: one after the other they would wait for ever."""
    for number, key in enumerate(("left", "right")):
        await market.place(key, number)
    meeting = asyncio.Barrier(2)

    async def on_message(envelope: Envelope[Any]) -> None:
        await meeting.wait()
        await handled(envelope)

    async with market.member(on_message):
        await handled.count(2)


# ---- what cannot be handled


def an_envelope(type_: str, number: object) -> bytes:
    envelope = {
        "id": "x", "source": "s", "type": type_, "subject": "k", "sequence": 1,
        "time": "2026-01-15T12:00:00Z", "correlationid": "k",
        "data": {"type": type_, "number": number},
    }  # fmt: skip
    return json.dumps(envelope).encode()


async def test_a_poison_message_goes_to_the_dead_letters_and_its_neighbours_go_on(
    market: Market, handled: Handled
) -> None:
    for number in range(5):
        await market.place("one-key", number)

    async def on_message(envelope: Envelope[Any]) -> None:
        if envelope.body.number == 2:
            raise LookupError("no such order")
        await handled(envelope)

    async with market.member(on_message):
        await market.settle(5)
    assert handled.numbers == [0, 1, 3, 4]
    (letter,) = await market.dead_letters(1)
    headers = {name: value.decode() for name, value in letter.headers}
    assert headers["why"] == "LookupError: no such order"
    assert headers["place"] == f"{market.topic.name}/0/2"
    assert headers["ce_type"] == "order.placed"
    assert letter.key == b"one-key"
    assert json.loads(letter.value)["data"] == {"type": "order.placed", "number": 2}
    assert await market.count_of_dead_letters() == 1


async def test_a_malformed_message_goes_to_the_dead_letters_without_its_values_in_the_reason(
    market: Market, handled: Handled
) -> None:
    await market.send_raw(b"\xff not json")
    await market.send_raw(an_envelope("order.placed", "call +15550100011"))
    await market.place("k", 3)
    async with market.member(handled):
        await market.settle(3)
    assert handled.numbers == [3]
    garbled, misfit = await market.dead_letters(2)
    assert garbled.value == b"\xff not json"
    why = dict(misfit.headers)["why"].decode()
    assert why.startswith("malformed: ")
    assert "number" in why
    assert "5550100011" not in why


async def test_a_message_too_large_for_another_header_is_buried_all_the_same(
    market: Market, handled: Handled
) -> None:
    large = b"x" * (1_048_576 - 200)
    await market.send_raw(large)
    await market.place("k", 1)
    async with market.member(handled):
        await market.settle(2)
    (letter,) = await market.dead_letters(1)
    assert large.startswith(letter.value)
    assert dict(letter.headers)["cut_from_bytes"] == str(len(large)).encode()
    assert handled.numbers == [1]


async def test_what_cannot_be_buried_is_not_lost(
    market: Market, handled: Handled, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the dead letters cannot be written, the service waits and commits nothing."""
    await market.send_raw(b"not json")
    await market.place("k", 1, partition=1)
    told: list[bool] = []
    refusals: list[KafkaError] = [UnknownTopicOrPartitionError(), MessageSizeTooLargeError()]
    publish = KafkaBroker.publish

    async def refuse_at_first(broker: KafkaBroker, *args: Any, **options: Any) -> Any:
        if refusals:
            raise refusals.pop()
        return await publish(broker, *args, **options)

    monkeypatch.setattr(KafkaBroker, "publish", refuse_at_first)
    async with market.member(handled, on_trouble=lambda is_ok, _: told.append(is_ok)):
        await market.settle(2)
    assert len(await market.dead_letters(1)) == 1
    assert told == [False, True]


async def test_an_unknown_type_and_a_tombstone_are_skipped(
    market: Market, handled: Handled
) -> None:
    await market.ship("k")
    await market.send_raw(None, key="k")
    await market.place("k", 2)
    async with market.member(handled):
        await market.settle(3)
    assert handled.numbers == [2]
    assert await market.count_of_dead_letters() == 0


async def test_only_the_wanted_types_are_parsed_and_delivered(
    market: Market, handled: Handled
) -> None:
    await market.send_raw(b"not even parsed", type_="order.paid")
    await market.pay("k", 1)
    await market.place("k", 2)
    async with market.member(handled, types=["order.placed"]):
        await market.settle(3)
    assert handled.numbers == [2]
    assert await market.count_of_dead_letters() == 0


@pytest.mark.parametrize(("type_", "numbers"), [("order.placed", [7]), ("order.paid", [])])
async def test_without_the_header_the_body_tells_the_type(
    market: Market, handled: Handled, type_: str, numbers: list[int]
) -> None:
    """Producers outside need not know our headers."""
    await market.send_raw(an_envelope(type_, 7), type_=None)
    async with market.member(handled, types=["order.placed"]):
        await market.settle(1)
    assert handled.numbers == numbers
    assert await market.count_of_dead_letters() == 0


async def test_a_transient_error_is_retried_in_place_while_other_keys_go_on(
    market: Market, handled: Handled
) -> None:
    for number, key in enumerate(("away", "away", "there")):
        await market.place(key, number)
    told: list[bool] = []
    tries = Counter[int]()

    async def on_message(envelope: Envelope[Any]) -> None:
        number = envelope.body.number
        tries[number] += 1
        if number == 0 and tries[0] <= 3:
            raise Transient("the neighbour is away")
        await handled(envelope)

    async with market.member(on_message, on_trouble=lambda is_ok, _: told.append(is_ok)):
        await market.settle(3)
    assert handled.numbers == [2, 0, 1], "its own key waits, the other does not"
    assert tries == {0: 4, 1: 1, 2: 1}
    assert told[0] is False
    assert told[-1] is True
    assert await market.count_of_dead_letters() == 0


async def test_poison_that_shows_after_a_transient_error_is_buried(
    market: Market, handled: Handled
) -> None:
    await market.place("k", 0)
    await market.place("k", 1)
    tries = Counter[int]()

    async def on_message(envelope: Envelope[Any]) -> None:
        number = envelope.body.number
        tries[number] += 1
        if number == 0:
            raise Transient("away") if tries[0] == 1 else LookupError("no such order")
        await handled(envelope)

    async with market.member(on_message):
        await market.settle(2)
    assert handled.numbers == [1]
    assert len(await market.dead_letters(1)) == 1
