"""The resolver on this very machine: real servers, real faults, nothing left behind."""

import asyncio
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from campaignctl.infrastructure import (
    Found,
    InfrastructureUnavailable,
    Provider,
    find_kafka,
    find_redis,
    infrastructure,
    standing_ground,
)
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import kafka_answers
from redis.asyncio import Redis

Unique = Callable[[str], str]
STARTER = """
import sys, time
from pathlib import Path
from campaignctl.infrastructure import infrastructure
with infrastructure(
    kafka="native", redis="native", announce=lambda line: None, data_folder=Path(sys.argv[1])
) as found:
    pids = [found.supervisor.pid(part.child) for part in (found.kafka, found.redis)]
    print(found.kafka_bootstrap, found.redis_url, *pids, flush=True)
    time.sleep(600)
"""


def test_no_two_servers_are_given_the_same_port() -> None:
    ports = [free_port() for _ in range(400)]
    assert len(set(ports)) == len(ports)


@pytest.fixture
def dead_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@pytest.fixture(autouse=True)
def _no_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TEST_STACK", "STACK_REQUIRED", "KAFKA_BOOTSTRAP", "REDIS_URL"):
        monkeypatch.delenv(variable, raising=False)


def silent(_: str) -> None:
    return


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_given_addresses_are_taken_and_outlive_us(
    kafka_bootstrap: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka_bootstrap)
    monkeypatch.setenv("REDIS_URL", redis_url)
    with infrastructure(announce=silent) as found:
        assert (found.kafka.provider, found.redis.provider) == (Provider.ENV, Provider.ENV)
        assert (found.kafka_bootstrap, found.redis_url) == (kafka_bootstrap, redis_url)
    assert kafka_answers(kafka_bootstrap)


def test_each_is_looked_for_by_itself(
    kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", kafka_bootstrap)
    with infrastructure(redis="native", announce=silent) as found:
        assert (found.kafka.provider, found.redis.provider) == (Provider.ENV, Provider.NATIVE)


def test_a_given_kafka_that_does_not_answer_is_said_so(
    dead_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAFKA_BOOTSTRAP", f"127.0.0.1:{dead_port}")
    with (
        standing_ground(announce=silent) as ground,
        pytest.raises(
            InfrastructureUnavailable,
            match=f"KAFKA_BOOTSTRAP is 127.0.0.1:{dead_port}, but no broker there answers",
        ),
    ):
        find_kafka(ground)


def test_a_given_redis_that_does_not_answer_is_said_so_without_its_password(
    dead_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", f"redis://:hunter2@127.0.0.1:{dead_port}/0")
    with (
        standing_ground(announce=silent) as ground,
        pytest.raises(
            InfrastructureUnavailable, match=f"REDIS_URL names 127.0.0.1:{dead_port}, but"
        ) as refusal,
    ):
        find_redis(ground)
    assert "hunter2" not in str(refusal.value)


def test_an_address_that_accepts_and_never_answers_costs_two_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        monkeypatch.setenv("REDIS_URL", f"redis://127.0.0.1:{mute.getsockname()[1]}/0")
        began = time.monotonic()
        with standing_ground(announce=silent) as ground, pytest.raises(InfrastructureUnavailable):
            find_redis(ground)
        assert 1.9 < time.monotonic() - began < 5


def test_a_data_folder_is_used_by_one_run_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("campaignctl.infrastructure.ground.LOCK_LIMIT_S", 0.1)
    with (
        standing_ground(announce=silent, data_folder=tmp_path),
        pytest.raises(InfrastructureUnavailable, match="another run uses"),
        standing_ground(announce=silent, data_folder=tmp_path),
    ):
        pass


def test_a_kill_leaves_no_server_behind_and_a_data_folder_whole(
    tmp_path: Path, found_kafka: Found, unique: Unique
) -> None:
    """Java and Redis are gone soon after their starter is killed; the next run has its writes."""
    if found_kafka.provider is not Provider.NATIVE:
        pytest.skip("Kafka is not native here")
    topic = unique("kept")
    with subprocess.Popen(
        [sys.executable, "-c", STARTER, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        bootstrap, url, *pids = starter.stdout.readline().split()
        asyncio.run(write(bootstrap, url, topic))
        alive_before = [lives(int(pid)) for pid in pids]
        starter.kill()
    assert alive_before == [True, True]
    with infrastructure(
        kafka="native", redis="native", announce=silent, data_folder=tmp_path
    ) as found:
        assert not any(lives(int(pid)) for pid in pids)
        kept = asyncio.run(read(found.kafka_bootstrap, found.redis_url, topic))
    assert kept == (b"kept", b"kept")


async def write(bootstrap: str, url: str, topic: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all") as producer:
        await producer.send_and_wait(topic, b"kept")
    async with Redis.from_url(url) as redis:
        await redis.set(topic, "kept")


async def read(bootstrap: str, url: str, topic: str) -> tuple[Any, Any]:
    consumer = AIOKafkaConsumer(topic, bootstrap_servers=bootstrap, auto_offset_reset="earliest")
    async with asyncio.timeout(20), consumer, Redis.from_url(url) as redis:
        record = await consumer.getone()
        return record.value, await redis.get(topic)
