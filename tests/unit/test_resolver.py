"""Which provider is taken, decided over a table of providers that need no machine."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from campaignctl.infrastructure.provider import (
    Ground,
    InfrastructureUnavailable,
    Provider,
    Running,
    Start,
    Unavailable,
)
from campaignctl.infrastructure.resolver import KAFKA, REDIS, find
from campaignctl.supervision import Supervisor


@pytest.fixture(autouse=True)
def _no_demands(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("TEST_STACK", "STACK_REQUIRED"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def ground(tmp_path: Path, said: list[str]) -> Iterator[Ground]:
    with Supervisor(tmp_path) as supervisor, ExitStack() as at_end:
        yield Ground(supervisor, said.append, at_end)


def a_machine_with(*available: Provider) -> dict[Provider, Start]:
    def start_of(provider: Provider) -> Start:
        def start(_: Ground) -> Running:
            if provider not in available:
                raise Unavailable(f"no {provider} here")
            return Running(
                address="127.0.0.1:9", version="1", title="Thing 1", capabilities=frozenset()
            )

        return start

    return {provider: start_of(provider) for provider in Provider}


def test_every_provider_is_known_for_kafka_and_for_redis() -> None:
    assert list(KAFKA) == list(REDIS) == list(Provider)


@pytest.mark.parametrize(
    ("available", "taken"),
    [(list(Provider)[position:], list(Provider)[position]) for position in range(len(Provider))],
)
def test_the_most_real_provider_that_is_there_is_taken(
    ground: Ground, available: list[Provider], taken: Provider
) -> None:
    assert find("Thing", a_machine_with(*available), ground, "auto").provider is taken


def test_it_says_what_it_took_and_why(ground: Ground, said: list[str]) -> None:
    find("Thing", a_machine_with(Provider.NATIVE), ground, "auto")
    assert said == ["Thing: native (Thing 1, 127.0.0.1:9): no docker here"]


def test_a_password_in_an_address_is_never_said(ground: Ground, said: list[str]) -> None:
    secret = Running(
        address="redis://me:hunter2@127.0.0.1:9/0",
        version="1",
        title="Thing 1",
        capabilities=frozenset(),
    )
    find("Thing", {Provider.ENV: lambda _: secret}, ground, "env")
    assert "127.0.0.1:9" in said[0]
    assert "hunter2" not in said[0]


def test_a_provider_asked_for_is_taken_before_more_real_ones(ground: Ground) -> None:
    found = find("Thing", a_machine_with(*Provider), ground, "embedded")
    assert (found.provider, found.why) == (Provider.EMBEDDED, "embedded was asked for")


def test_the_variable_asks_as_the_argument_does(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_STACK", "embedded")
    found = find("Thing", a_machine_with(*Provider), ground, "auto")
    assert (found.provider, found.why) == (Provider.EMBEDDED, "TEST_STACK=embedded")


def test_a_provider_asked_for_and_missing_is_an_error(ground: Ground) -> None:
    with pytest.raises(InfrastructureUnavailable, match="no docker here"):
        find("Thing", a_machine_with(Provider.NATIVE), ground, "docker")


def test_an_unknown_provider_is_an_error_that_names_the_known(ground: Ground) -> None:
    with pytest.raises(InfrastructureUnavailable, match="auto, env, docker, native, embedded"):
        find("Thing", a_machine_with(*Provider), ground, "podman")


def test_an_address_that_does_not_answer_is_not_fallen_through(ground: Ground) -> None:
    def dead(_: Ground) -> Running:
        raise InfrastructureUnavailable("given and dead")

    starts = {**a_machine_with(*Provider), Provider.ENV: dead}
    with pytest.raises(InfrastructureUnavailable, match="given and dead"):
        find("Thing", starts, ground, "auto")


def test_less_real_than_required_is_an_error_with_every_refusal(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK_REQUIRED", "native")
    with pytest.raises(InfrastructureUnavailable, match="STACK_REQUIRED=native") as refusal:
        find("Thing", a_machine_with(Provider.EMBEDDED), ground, "auto")
    assert "native: no native here" in str(refusal.value)


def test_more_real_than_required_is_taken(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STACK_REQUIRED", "native")
    found = find("Thing", a_machine_with(Provider.DOCKER, Provider.NATIVE), ground, "auto")
    assert found.provider is Provider.DOCKER


def test_asking_for_less_than_required_is_an_error(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STACK_REQUIRED", "native")
    with pytest.raises(InfrastructureUnavailable, match="demands more real ones"):
        find("Thing", a_machine_with(*Provider), ground, "embedded")
