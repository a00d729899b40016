"""Settings come from the environment; each mistake ends the program with a sentence of its own."""

from pathlib import Path

import pytest
from chassis.settings import ServiceSettings, load
from dialer.settings import Settings as DialerSettings
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict

PASSWORD = "secret-word"


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="WEIGHER_", frozen=True)

    scale: int = 3


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> "Told":
    return Told(monkeypatch, capsys)


class Told:
    """An environment, and what a program says of it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys

    def load(self, **settings: str) -> Settings:
        for name, value in settings.items():
            self._monkeypatch.setenv(f"WEIGHER_{name}", value)
        return load(Settings)

    def mistakes(self, **settings: str) -> list[str]:
        with pytest.raises(SystemExit) as ended:
            self.load(**settings)
        assert ended.value.code == 2
        return self._capsys.readouterr().err.splitlines()


def test_the_environment_sets_what_the_prefix_names(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCALE", "9")
    settings = told.load(SCALE="7", KAFKA_BOOTSTRAP="kafka:9092")
    assert (settings.scale, settings.kafka_bootstrap) == (7, "kafka:9092")


def test_each_mistake_has_a_sentence_that_names_the_variable(told: Told) -> None:
    mistakes = told.mistakes(SKALE="7", SCALE="x", HTTP_PORT="70000", KAFKA_BOOTSTRAP="kafka")
    assert mistakes[0] == "WEIGHER_SKALE is unknown"
    assert [line.partition(":")[0] for line in mistakes[1:]] == [
        "WEIGHER_KAFKA_BOOTSTRAP", "WEIGHER_HTTP_PORT", "WEIGHER_SCALE", "known are",
    ]  # fmt: skip
    assert "host:port" in mistakes[1]


def test_the_keys_of_another_program_are_none_of_ours(
    told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRINTER_SKALE", "7")
    assert told.load().scale == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "needs KAFKA_USERNAME and KAFKA_PASSWORD"),
        ({"KAFKA_USERNAME": "ann", "KAFKA_PASSWORD": PASSWORD}, "mean nothing with PLAINTEXT"),
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "should be 'PLAINTEXT', 'SSL'"),
        ({"KAFKA_CA_FILE": "/nowhere.pem"}, "/nowhere.pem cannot be read"),
        ({"REDIS_URL": "http://redis"}, "must begin with one of redis://"),
        ({"REDIS_USERNAME": "ann"}, "REDIS_USERNAME needs REDIS_PASSWORD"),
        ({"REDIS_URL": "redis://a:b@c", "REDIS_PASSWORD": PASSWORD}, "one too many"),
        ({"TRACES_ENDPOINT": "collector:4318"}, "TRACES_ENDPOINT: write http://host:port"),
        ({"TRACES_ENDPOINT": f"http://ann:{PASSWORD}@it:4318"}, "TRACES_ENDPOINT: write http://"),
        ({"TRACES_SHARE": "10"}, "TRACES_SHARE: input should be less than or equal to 1"),
    ],
)
def test_what_contradicts_itself_is_refused(
    settings: dict[str, str], says: str, told: Told
) -> None:
    mistakes = told.mistakes(**settings)
    assert any(says in line for line in mistakes), mistakes
    assert PASSWORD not in "".join(mistakes)


def test_a_file_that_holds_no_certificate_is_refused(told: Told, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("hello")
    mistakes = told.mistakes(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_CA_FILE=str(tmp_path / "ca.pem"))
    assert "no PEM" in mistakes[0]


def test_two_contradictions_are_both_told(told: Told) -> None:
    mistakes = told.mistakes(KAFKA_SECURITY_PROTOCOL="SASL_SSL", REDIS_USERNAME="ann")
    assert len(mistakes) == 2


def test_a_redis_login_becomes_a_part_of_the_address(told: Told) -> None:
    settings = told.load(REDIS_USERNAME="ann", REDIS_PASSWORD="p@ss/word")
    assert settings.redis == "redis://ann:p%40ss%2Fword@127.0.0.1:6379/0"
    assert "p@ss" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("ARI_URL", "gateway:8088"), ("ARI_USERNAME", ""), ("GATEWAY_CALLS_PER_SECOND", "0")],
)
def test_a_dialer_is_told_what_is_wrong_with_its_gateway(
    name: str,
    value: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(f"DIALER_{name}", value)
    with pytest.raises(SystemExit):
        load(DialerSettings)
    assert capsys.readouterr().err.startswith(f"DIALER_{name}: ")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), "scale", 4)  # noqa: B010 - mypy knows that it cannot
