"""Which Kafka, which Redis: the most real one that this machine can have, and why that one.

Each is looked for by itself, in the order of `Provider`. A provider asked for by name is taken or
it is an error; so is an address that was given and does not answer. `TEST_STACK` names a provider
for both; `STACK_REQUIRED` says how real it must be at least.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from os import environ
from pathlib import Path

from campaignctl.infrastructure.containers import start_kafka_container, start_redis_container
from campaignctl.infrastructure.embedded_kafka import start_embedded_kafka
from campaignctl.infrastructure.given import take_given_kafka, take_given_redis
from campaignctl.infrastructure.ground import print_line, standing_ground
from campaignctl.infrastructure.kafka_native import start_native_kafka
from campaignctl.infrastructure.probes import without_secrets
from campaignctl.infrastructure.provider import (
    Announce,
    Found,
    Ground,
    InfrastructureUnavailable,
    Provider,
    Start,
    Unavailable,
)
from campaignctl.infrastructure.redis_server import start_embedded_redis, start_native_redis
from campaignctl.supervision import Supervisor

AUTO = "auto"

KAFKA: dict[Provider, Start] = {
    Provider.ENV: take_given_kafka,
    Provider.DOCKER: start_kafka_container,
    Provider.NATIVE: start_native_kafka,
    Provider.EMBEDDED: start_embedded_kafka,
}
REDIS: dict[Provider, Start] = {
    Provider.ENV: take_given_redis,
    Provider.DOCKER: start_redis_container,
    Provider.NATIVE: start_native_redis,
    Provider.EMBEDDED: start_embedded_redis,
}


@dataclass(frozen=True)
class Infrastructure:
    """Kafka and Redis, answering, and the supervisor under which services may run beside them.

    What is started at the supervisor is stopped before Kafka and Redis are.
    """

    kafka: Found
    redis: Found
    supervisor: Supervisor

    @property
    def kafka_bootstrap(self) -> str:
        """Kafka's address, `host:port`."""
        return self.kafka.address

    @property
    def redis_url(self) -> str:
        """Redis's address, `redis://…`."""
        return self.redis.address


@contextmanager
def infrastructure(
    *,
    kafka: str = AUTO,
    redis: str = AUTO,
    announce: Announce = print_line,
    data_folder: Path | None = None,
) -> Iterator[Infrastructure]:
    """Have Kafka and Redis for the time of the block, and nothing of them afterwards.

    Args:
        kafka: A provider's name, or "auto".
        redis: A provider's name, or "auto".
        announce: Told what was taken and why, and what takes long.
        data_folder: Where state and logs stay for the next run; None: nowhere.

    Raises:
        InfrastructureUnavailable: It cannot be had in the way that was asked for.
    """
    with standing_ground(announce=announce, data_folder=data_folder) as ground:
        yield Infrastructure(
            kafka=find_kafka(ground, kafka),
            redis=find_redis(ground, redis),
            supervisor=ground.supervisor,
        )


def find_kafka(ground: Ground, wish: str = AUTO) -> Found:
    """Return Kafka by the provider wished for, or by the most real one that can be had.

    Raises:
        InfrastructureUnavailable: None can be had that fits.
    """
    return find("Kafka", KAFKA, ground, wish)


def find_redis(ground: Ground, wish: str = AUTO) -> Found:
    """Return Redis by the provider wished for, or by the most real one that can be had.

    Raises:
        InfrastructureUnavailable: None can be had that fits.
    """
    return find("Redis", REDIS, ground, wish)


def take_kafka(ground: Ground, provider: Provider) -> Found:
    """Return Kafka by exactly this provider, whatever the environment asks for.

    Raises:
        Unavailable: It cannot be had here.
        InfrastructureUnavailable: An address is given and does not answer.
    """
    return _take("Kafka", KAFKA, ground, provider, f"{provider} was asked for")


def take_redis(ground: Ground, provider: Provider) -> Found:
    """Return Redis by exactly this provider, whatever the environment asks for.

    Raises:
        Unavailable: It cannot be had here.
        InfrastructureUnavailable: An address is given and does not answer.
    """
    return _take("Redis", REDIS, ground, provider, f"{provider} was asked for")


def find(title: str, starts: Mapping[Provider, Start], ground: Ground, wish: str) -> Found:
    """Try the providers in their order until one runs, and announce it.

    Raises:
        InfrastructureUnavailable: None can be had that fits; the text says why for each.
    """
    candidates, demand = _candidates(title, wish)
    refusals: dict[Provider, str] = {}
    for provider in candidates:
        try:
            return _take(title, starts, ground, provider, _why(provider, demand, refusals))
        except Unavailable as refusal:
            refusals[provider] = str(refusal)
    whys = "".join(f"\n  {provider}: {why}" for provider, why in refusals.items())
    raise InfrastructureUnavailable(f"{title} cannot be had ({demand or AUTO}):{whys}")


def _take(
    title: str, starts: Mapping[Provider, Start], ground: Ground, provider: Provider, why: str
) -> Found:
    found = Found(**vars(starts[provider](ground)), provider=provider, why=why)
    address = without_secrets(found.address) or found.address
    ground.announce(f"{title}: {provider} ({found.title}, {address}): {why}")
    return found


def _candidates(title: str, wish: str) -> tuple[list[Provider], str]:
    """Return the providers to try, and the demand that narrows them ("" if none does)."""
    wished, demand = (wish, f"{wish} was asked for") if wish != AUTO else _from("TEST_STACK")
    required, least = _from("STACK_REQUIRED")
    try:
        candidates = [Provider(wished)] if wished != AUTO else list(Provider)
        allowed = list(Provider)
        if required != AUTO:
            allowed = allowed[: allowed.index(Provider(required)) + 1]
    except ValueError as error:
        known = ", ".join([AUTO, *Provider])
        raise InfrastructureUnavailable(f"{title}: {error}; known are: {known}") from error
    kept = [provider for provider in candidates if provider in allowed]
    if not kept:
        raise InfrastructureUnavailable(f"{title}: {demand}, but {least} demands more real ones")
    return kept, demand or (least if wished == AUTO else "")


def _from(variable: str) -> tuple[str, str]:
    value = environ.get(variable) or AUTO
    return value, "" if value == AUTO else f"{variable}={value}"


def _why(provider: Provider, demand: str, refusals: Mapping[Provider, str]) -> str:
    if provider is Provider.ENV:
        return "its address is given"
    passed_over = [why for passed, why in refusals.items() if passed is not Provider.ENV]
    return "; ".join(passed_over) or demand or "the first choice"
