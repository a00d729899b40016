"""Dead letters and exported logs on a real Kafka: mended and sent again, imported, republished."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from campaignctl.cli import app
from campaignctl.errors import CannotGoOn
from campaignctl.history import Range, read
from campaignctl.infrastructure import Ground, start_kafka_cluster
from campaignctl.infrastructure.ports import free_port
from chassis.batches import subscribe
from chassis.broker import build_broker
from chassis.provisioning import provision
from chassis.settings import ServiceSettings
from contracts.envelope import Envelope
from contracts.topics import CALL_EVENTS
from typer.testing import CliRunner, Result

LIBRARY = Path(__file__).parents[2] / "libs" / "contracts"
DIGIT = (LIBRARY / "examples" / "call.events" / "call.digit_pressed.json").read_bytes()
RECORDED = Path(__file__).parents[1] / "replays" / "digits.log.gz"


def run(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def told(*words: object) -> Any:
    result = run(*words, "--json")
    lines = [line for line in result.stdout.splitlines() if line.startswith("{")]
    assert lines, result.exception
    return json.loads(lines[-1])


class Session(Protocol):
    @property
    def ground(self) -> Ground: ...


@pytest.fixture(scope="module")
def kafka(stack: Session) -> Iterator[str]:
    """A real Kafka that no other test uses."""
    brokers = start_kafka_cluster(stack.ground, 1, name=f"kafka-{free_port()}")
    yield brokers.address
    brokers.kill(1)


async def bury_and_handle(kafka: str, work: Any) -> list[str]:
    """Have a consumer at work; return the digits that it has handled."""
    settings = ServiceSettings(kafka_bootstrap=kafka)
    handled: list[str] = []

    async def on_message(envelope: Envelope[Any]) -> None:
        handled.append(envelope.body.digit)

    await provision(settings)
    broker = build_broker(settings, "test")
    finish = subscribe(
        broker, topics=[CALL_EVENTS], group="redrive", on_message=on_message,
        types=["call.digit_pressed"],
    )  # fmt: skip
    await broker.start()
    try:
        await work(handled)
    finally:
        await finish()
        await broker.stop()
    return handled


async def produce(kafka: str, value: bytes) -> None:
    producer = AIOKafkaProducer(bootstrap_servers=kafka)
    await producer.start()
    try:
        headers = [("ce_type", b"call.digit_pressed"), ("correlationid", b"a")]
        await producer.send_and_wait("call.events", value, key=b"a", headers=headers)
    finally:
        await producer.stop()


def test_a_poison_message_is_understood_mended_sent_again_and_handled(kafka: str) -> None:
    envelope = json.loads(DIGIT)
    envelope["data"]["digit"] = "eleven"
    poison = json.dumps(envelope).encode()

    async def bury(_handled: list[str]) -> None:
        await produce(kafka, poison)
        async with asyncio.timeout(30):
            while not (await asyncio.to_thread(told, "redrive", "--kafka-bootstrap", kafka))[
                "failing"
            ]:
                await asyncio.sleep(0.1)

    assert asyncio.run(bury_and_handle(kafka, bury)) == []
    (letter,) = told("redrive", "--kafka-bootstrap", kafka)["failing"]
    assert letter["type"] == "call.digit_pressed"
    assert any("digit" in one for one in letter["faults"])
    assert run("redrive", "--kafka-bootstrap", kafka).exit_code == 1
    place = ("--place", letter["place"], "--set", 'data.digit="7"')
    dry = told("redrive", "--kafka-bootstrap", kafka, *place)
    assert (dry["sent"], len(dry["ready"])) == (0, 1)

    async def send_again(handled: list[str]) -> None:
        words = ("redrive", "--kafka-bootstrap", kafka, *place, "--send")
        assert (await asyncio.to_thread(told, *words))["sent"] == 1
        async with asyncio.timeout(30):
            while not handled:
                await asyncio.sleep(0.05)

    assert asyncio.run(bury_and_handle(kafka, send_again)) == ["7"]
    after = told("redrive", "--kafka-bootstrap", kafka)
    assert after["ready"] == after["failing"] == [], "it is not offered again"
    (again,) = told("redrive", "--kafka-bootstrap", kafka, "--all")["failing"]
    assert again["is_redriven"]


def test_an_old_message_does_not_take_the_place_of_a_newer_one_of_its_key(kafka: str) -> None:
    """Of a compacted topic the last message of each key is kept: it must be the newest."""
    poison = DIGIT.replace(b"call.digit_pressed", b"target.changed")

    async def bury() -> None:
        await provision(ServiceSettings(kafka_bootstrap=kafka))
        good = LIBRARY / "examples" / "target.events" / "target.changed.json"
        for topic, headers in (
            ("target.events", []),
            ("target.events", []),
            ("target.events.dead-letter", [("place", b"target.events/0/0"), ("why", b"test")]),
        ):
            producer = AIOKafkaProducer(bootstrap_servers=kafka)
            await producer.start()
            value = poison if topic == "target.events" and not headers else good.read_bytes()
            await producer.send_and_wait(topic, value, key=b"t", headers=headers, partition=0)
            await producer.stop()

    asyncio.run(bury())
    words = ("redrive", "--kafka-bootstrap", kafka, "--place", "target.events/0/0", "--send")
    after = told(*words)
    assert (after["sent"], after["ready"]) == (0, [])
    assert "newer message" in after["failing"][0]["faults"][0]


def test_an_exported_log_is_imported_as_it_was_and_republished_under_other_names(
    kafka: str, tmp_path: Path
) -> None:
    sandbox = ("--kafka-bootstrap", kafka, "--prefix", "sandbox.")
    count = len(list(read(Range(file=RECORDED))))
    assert told("import", RECORDED, *sandbox)["sent"] == count
    refused = run("import", RECORDED, *sandbox)
    assert isinstance(refused.exception, CannotGoOn)
    assert "--append" in str(refused.exception)
    copy = ("republish", "--log", RECORDED, "--to", kafka, "--prefix", "copy.")
    assert told(*copy)["sent"] == 0, "a dry run"
    assert told(*copy, "--topic", "call.events", "--send")["sent"] > 3
    records = asyncio.run(of_topic(kafka, "copy.call.events"))
    original = [one for one in read(Range(file=RECORDED)) if one.topic == "call.events"]
    assert [(one.key.decode(), one.timestamp, json.loads(one.value)) for one in records] == [
        (one.key, one.timestamp_ms, json.loads(one.value or b"")) for one in original
    ]
    assert all(dict(one.headers)["ce_type"].decode() for one in records)


def test_the_topics_that_are_read_are_never_written(kafka: str) -> None:
    refused = run("republish", "--kafka-bootstrap", kafka, "--to", kafka, "--send")
    assert isinstance(refused.exception, CannotGoOn)
    assert "--prefix" in str(refused.exception)


async def of_topic(kafka: str, topic: str) -> list[Any]:
    consumer = AIOKafkaConsumer(
        topic, bootstrap_servers=kafka, auto_offset_reset="earliest", group_id=None
    )
    await consumer.start()
    try:
        places = consumer.assignment()
        ends = await consumer.end_offsets(places)
        found: list[Any] = []
        async with asyncio.timeout(30):
            while len(found) < sum(ends.values()):
                for records in (await consumer.getmany(timeout_ms=200)).values():
                    found += records
        return sorted(found, key=lambda one: (one.timestamp, one.offset))
    finally:
        await consumer.stop()
