"""The topics of the catalogue on Kafka: made where they are missing, judged where they are."""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    InvalidReplicationFactorError,
    TopicAlreadyExistsError,
    TopicAuthorizationFailedError,
    for_code,
)
from contracts.topics import CATALOGUE, Cleanup, Topic

from chassis.connections import Connections
from chassis.errors import Unfit

RETENTION_MS = 30 * 24 * 3600 * 1000
DAY_MS = 24 * 3600 * 1000
WEEK_MS = 7 * DAY_MS
SHOWN_WITHIN_S = 10.0
MIN_INSYNC = "min.insync.replicas"


def wanted(topic: Topic, replicas: int) -> tuple[NewTopic, NewTopic]:
    """Return a topic and the one of its dead letters as they are to be."""
    kept = (
        # A paused relay that wakes up late must do no harm: a day is kept uncompacted.
        # Nor may what was replaced stay for ever: who asks to be forgotten is told by when.
        {
            "cleanup.policy": "compact",
            "min.compaction.lag.ms": str(DAY_MS),
            "max.compaction.lag.ms": str(WEEK_MS),
        }
        if topic.cleanup is Cleanup.COMPACT
        else {"cleanup.policy": "delete", "retention.ms": str(RETENTION_MS)}
    )
    if replicas > 1:
        kept[MIN_INSYNC] = "2"
    dead = {"retention.ms": str(RETENTION_MS)}
    return (
        NewTopic(topic.name, topic.partitions, replicas, topic_configs=kept),
        NewTopic(topic.dead_letter, 1, replicas, topic_configs=dead),
    )


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that a topic has otherwise than it should.

    Attributes:
        says: A sentence.
        stops: Nothing can be told as long as it is so.
    """

    says: str
    stops: bool


async def provision(
    where: Connections, *, replicas: int = 1, topics: Sequence[Topic] = CATALOGUE
) -> list[str]:
    """Create the topics, those of the catalogue unless others are given, that are not there yet.

    Returns:
        The names of those that were made.

    Raises:
        Unfit: Kafka refuses to make one; the text says what to do.
        aiokafka.errors.KafkaError: The broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(**where.kafka)
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [
            new for topic in topics for new in wanted(topic, replicas) if new.name not in present
        ]
        if not missing:
            return []
        answer = await admin.create_topics(missing)
        for row in answer.topic_errors:
            _judge(row[0], for_code(row[1]), row[2] if len(row) > 2 else "")
        names = [new.name for new in missing]
        await _shown(admin, names)
        return names
    finally:
        await admin.close()


async def _shown(admin: AIOKafkaAdminClient, names: list[str]) -> None:
    """Wait until the broker knows topics that the controller has made: that is a moment later."""
    with suppress(TimeoutError):
        async with asyncio.timeout(SHOWN_WITHIN_S):
            while not set(names) <= set(await admin.list_topics()):
                await asyncio.sleep(0.02)


def _judge(topic: str, error: Any, detail: str | None) -> None:
    if error.errno == 0 or error is TopicAlreadyExistsError:
        return
    if error is InvalidReplicationFactorError:
        raise Unfit(f"{topic}: too few brokers for REPLICATION_FACTOR ({detail or 'refused'})")
    if error in (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise Unfit(
            f"we may not create {topic}: allow it, or create the topics by `campaignctl provision` "
            "and set PROVISION_TOPICS to false"
        )
    raise error(f"topic {topic}: {detail or ''}")


async def flaws(
    where: Connections, *, replicas: int = 1, topics: Sequence[Topic] = CATALOGUE
) -> list[Flaw]:
    """Return what is wrong with the topics as they are on Kafka.

    Raises:
        aiokafka.errors.KafkaError: The broker cannot be reached.
    """
    admin = AIOKafkaAdminClient(**where.kafka)
    await admin.start()
    try:
        expected = [new for one in topics for new in wanted(one, replicas)]
        present = set(await admin.list_topics())
        there = [new for new in expected if new.name in present]
        known = {row["topic"]: row for row in await admin.describe_topics([n.name for n in there])}
        configs = await _configs(admin, [new.name for new in there])
    finally:
        await admin.close()
    missing = [new.name for new in expected if new.name not in present]
    found = [Flaw(f"topics are missing: {', '.join(missing)}", stops=True)] if missing else []
    for new in there:
        found += _flaws_of(new, known[new.name]["partitions"], configs.get(new.name, {}))
    return found


async def _configs(admin: AIOKafkaAdminClient, names: list[str]) -> dict[str, dict[str, str]]:
    """Return the configuration of topics; nothing of those that we may not look at."""
    if not names:
        return {}
    asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in names]
    return {
        resource[3]: {entry[0]: entry[1] for entry in resource[4]}
        for response in await admin.describe_configs(asked)
        for resource in response.resources
        if resource[0] == 0
    }


def _flaws_of(
    new: NewTopic, partitions: list[dict[str, Any]], config: dict[str, str]
) -> Iterator[Flaw]:
    name = new.name
    if len(partitions) != new.num_partitions:
        yield Flaw(
            f"{name} has {len(partitions)} partitions and not {new.num_partitions}: keys would be "
            "looked for where they are not",
            stops=True,
        )
    least = int(config.get(MIN_INSYNC, 1))
    if worst := min((len(one["isr"]) for one in partitions), default=0):
        if worst < least:
            yield Flaw(f"{name} has {worst} of {least} in-sync replicas that it needs", stops=True)
        fewest = min(len(one["replicas"]) for one in partitions)
        if fewest < new.replication_factor:
            yield Flaw(
                f"{name} has {fewest} replicas and not {new.replication_factor}", stops=False
            )
    else:
        yield Flaw(f"{name} has a partition without any replica in sync", stops=True)
    for key, value in (new.topic_configs or {}).items():
        if config and config.get(key) != value:
            yield Flaw(f"{name} has {key} {config.get(key)} and not {value}", stops=False)
