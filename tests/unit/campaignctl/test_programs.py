"""The programs of the engine: each is told its neighbours in words that it knows."""

import importlib
from pathlib import Path

import pytest
from campaignctl.programs import Places, programs_at
from chassis.settings import ServiceSettings

PLACES = Places(
    kafka_bootstrap="127.0.0.1:1",
    redis_url="redis://127.0.0.1:2/0",
    carrier_port=3,
    api_port=4,
    flow_runner_port=5,
    dialer_ports=(6,),
    journal=Path("/records/journal.jsonl"),
    call_records=Path("/records/call-records.csv"),
    speech_folder=Path("/speech"),
    espeak="/bin/espeak-ng",
    speed=10.0,
    seed=7,
    username="ann",
    password="secret",
    jwt_secret="sign",
)


def test_the_dialer_begins_last_and_so_ends_first() -> None:
    names = [program.name for program in programs_at(PLACES)]
    assert names == ["carrier-simulator", "campaign-manager", "flow-runner", "dialer"]


@pytest.mark.parametrize("service", ["campaign-manager", "flow-runner", "dialer"])
def test_a_service_knows_every_setting_it_is_told(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (program,) = (program for program in programs_at(PLACES) if program.name == service)
    for name, value in program.env.items():
        monkeypatch.setenv(name, value)
    package = service.replace("-", "_")
    settings: ServiceSettings = importlib.import_module(f"{package}.settings").Settings()
    assert settings.kafka_bootstrap == "127.0.0.1:1"
    assert settings.redis_url == "redis://127.0.0.1:2/0"
    assert settings.http_port == program.port


def test_the_network_and_the_dialer_meet() -> None:
    carrier, *_, dialer = programs_at(PLACES)
    assert dialer.env["DIALER_ARI_URL"] == f"http://127.0.0.1:{carrier.port}/ari"
    assert dialer.env["DIALER_CALL_RECORDS"] in carrier.command
