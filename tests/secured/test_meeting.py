"""What a service says of a Kafka or Redis that it cannot work with, before it does anything."""

import gc
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from chassis import provisioning
from chassis.errors import Unfit
from chassis.meeting import meet_kafka, meet_redis
from chassis.settings import ServiceSettings
from chassis.store import connect
from contracts.topics import CALL_EVENTS, CATALOGUE
from structlog.testing import capture_logs

from tests.secured.ground import Secured

pytestmark = pytest.mark.filterwarnings(  # aiokafka leaves sockets of broken handshakes to the end
    "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)


@pytest.fixture(scope="module", autouse=True)
def _swept() -> Iterator[None]:
    """What is left of those sockets goes with this module, and is no later test's trouble."""
    yield
    gc.collect()


def settings_of(secured: Secured, **instead: str) -> ServiceSettings:
    told: dict[str, Any] = {n.lower(): v for n, v in secured.settings(**instead).items() if v}
    return ServiceSettings(**told)


async def refused_by_kafka(settings: ServiceSettings) -> str:
    with pytest.raises(Unfit) as refused:
        await meet_kafka(settings)
    return str(refused.value)


async def refused_by_redis(settings: ServiceSettings) -> str:
    redis = connect(settings.redis)
    with pytest.raises(Unfit) as refused:
        await meet_redis(redis)
    await redis.aclose()
    return str(refused.value)


PLAIN = {"KAFKA_SECURITY_PROTOCOL": "PLAINTEXT", "KAFKA_CA_FILE": "", "KAFKA_USERNAME": "",
         "KAFKA_PASSWORD": ""}  # fmt: skip
NO_LOGIN = {"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_USERNAME": "", "KAFKA_PASSWORD": ""}


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        ({"KAFKA_PASSWORD": "wrong"}, "check KAFKA_USERNAME and KAFKA_PASSWORD"),
        ({"KAFKA_USERNAME": "nobody"}, "check KAFKA_USERNAME and KAFKA_PASSWORD"),
        ({"KAFKA_SASL_MECHANISM": "PLAIN"}, "check KAFKA_SASL_MECHANISM"),
        (PLAIN, "check KAFKA_SECURITY_PROTOCOL"),
        (NO_LOGIN, "check KAFKA_SECURITY_PROTOCOL"),
        ({"KAFKA_BOOTSTRAP": "127.0.0.1:1"}, "nothing listens there"),
        ({"KAFKA_BOOTSTRAP": "no-such-host.invalid:9092"}, "its name is unknown"),
    ],
    ids=["password", "user", "mechanism", "not encrypted", "no login", "port", "host"],
)
async def test_a_kafka_that_does_not_let_us_in_is_told_with_what_to_look_at(
    secured: Secured, instead: dict[str, str], says: str
) -> None:
    told = await refused_by_kafka(settings_of(secured, **instead))
    assert says in told
    assert secured.password not in told


async def test_a_kafka_of_another_authority_is_not_trusted(secured: Secured) -> None:
    settings = settings_of(secured, KAFKA_CA_FILE=str(secured.other_ca_file))
    assert "check KAFKA_CA_FILE" in await refused_by_kafka(settings)


async def test_an_encrypted_line_to_a_kafka_that_is_not_is_told(secured: Secured) -> None:
    settings = settings_of(secured, KAFKA_BOOTSTRAP=secured.plain_bootstrap)
    assert "check KAFKA_SECURITY_PROTOCOL" in await refused_by_kafka(settings)


@pytest.mark.parametrize(
    ("instead", "says"),
    [
        ({"REDIS_PASSWORD": "wrong"}, "check REDIS_USERNAME and REDIS_PASSWORD"),
        ({"REDIS_USERNAME": "", "REDIS_PASSWORD": ""}, "REDIS_USERNAME and REDIS_PASSWORD"),
        ({"REDIS_CA_FILE": ""}, "check REDIS_CA_FILE"),
    ],
    ids=["password", "no login", "authority"],
)
async def test_a_redis_that_does_not_let_us_in_is_told_with_what_to_look_at(
    secured: Secured, instead: dict[str, str], says: str
) -> None:
    assert says in await refused_by_redis(settings_of(secured, **instead))


async def test_a_plain_line_to_an_encrypted_redis_is_told(secured: Secured) -> None:
    url = secured.redis_url.replace("rediss", "redis")
    settings = settings_of(secured, REDIS_URL=url, REDIS_CA_FILE="")
    assert "rediss://" in await refused_by_redis(settings)


async def test_a_redis_that_keeps_nothing_on_disk_is_warned_of(secured: Secured) -> None:
    redis = connect(settings_of(secured).redis)
    with capture_logs() as well:
        await meet_redis(redis)
    assert not well, "this one has AOF"

    class Forgetful:
        """Answers as one without AOF that throws away what it holds."""

        async def ping(self) -> bool:
            return True

        async def info(self, _section: str) -> dict[str, Any]:
            return {"aof_enabled": 0, "maxmemory_policy": "allkeys-lru"}

    forgetful: Any = Forgetful()
    with capture_logs() as told:
        await meet_redis(forgetful)
    assert ["appendonly" in told[0]["event"], "noeviction" in told[1]["event"]] == [True, True]
    await redis.aclose()


# ---- topics


async def test_missing_topics_are_named_and_waited_for(secured: Secured) -> None:
    await remove_topics(secured)
    told = await refused_by_kafka(settings_of(secured, PROVISION_TOPICS="false"))
    assert told.startswith("topics are missing: ")
    assert CALL_EVENTS.name in told
    await meet_kafka(settings_of(secured))
    await meet_kafka(settings_of(secured, PROVISION_TOPICS="false"))


async def test_topics_are_made_when_the_broker_knows_them(
    secured: Secured, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Late(AIOKafkaAdminClient):  # type: ignore[misc]
        """Shows twice more what it knew before, as a broker does that is behind its controller."""

        before: ClassVar[list[list[str]]] = []

        async def create_topics(self, *made: Any, **how: Any) -> Any:
            self.before.extend([await self.list_topics()] * 2)
            return await super().create_topics(*made, **how)

        async def list_topics(self) -> list[str]:
            return self.before.pop() if self.before else await super().list_topics()

    await remove_topics(secured)
    monkeypatch.setattr(provisioning, "AIOKafkaAdminClient", Late)
    await meet_kafka(settings_of(secured))
    assert not Late.before


async def test_more_replicas_than_there_are_brokers_are_refused(secured: Secured) -> None:
    await remove_topics(secured)
    told = await refused_by_kafka(settings_of(secured, REPLICATION_FACTOR="3"))
    assert "too few brokers for REPLICATION_FACTOR" in told


@pytest.mark.parametrize(
    ("partitions", "config", "says"),
    [
        (6, {"min.insync.replicas": "2"}, "call.events has 1 of 2 in-sync replicas"),
        (3, {}, "call.events has 3 partitions and not 6"),
    ],
)
async def test_a_topic_that_cannot_be_worked_with_is_told(
    secured: Secured, partitions: int, config: dict[str, str], says: str
) -> None:
    await remove_topics(secured)
    admin = AIOKafkaAdminClient(**settings_of(secured).kafka)
    await admin.start()
    await admin.create_topics([NewTopic(CALL_EVENTS.name, partitions, 1, topic_configs=config)])
    await admin.close()
    assert says in await refused_by_kafka(settings_of(secured))
    await remove_topics(secured)


async def remove_topics(secured: Secured) -> None:
    """Have none of the catalogue's topics."""
    admin = AIOKafkaAdminClient(**settings_of(secured).kafka)
    await admin.start()
    there = set(await admin.list_topics())
    ours = [name for topic in CATALOGUE for name in (topic.name, topic.dead_letter)]
    await admin.delete_topics([name for name in ours if name in there])
    while set(ours) & set(await admin.list_topics()):
        pass
    await admin.close()
