"""Settings come from the environment, and a misspelt one is not ignored."""

import pytest
from chassis.settings import ServiceSettings
from pydantic import ValidationError
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    model_config = SettingsConfigDict(env_prefix="WEIGHER_", frozen=True)

    scale: int = 3


def test_the_environment_sets_what_the_prefix_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIGHER_SCALE", "7")
    monkeypatch.setenv("WEIGHER_KAFKA_BOOTSTRAP", "kafka:9092")
    monkeypatch.setenv("SCALE", "9")
    settings = Settings()
    assert (settings.scale, settings.kafka_bootstrap) == (7, "kafka:9092")


def test_an_unknown_key_with_the_prefix_is_refused_and_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WEIGHER_SKALE", "7")
    with pytest.raises(ValidationError, match=r"WEIGHER_SKALE.*known are.*WEIGHER_SCALE"):
        Settings()


def test_the_keys_of_another_program_are_none_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRINTER_SKALE", "7")
    assert Settings().scale == 3


@pytest.mark.parametrize(
    ("name", "value"), [("HTTP_PORT", "70000"), ("LOG_LEVEL", "loud"), ("SCALE", "x")]
)
def test_a_wrong_value_is_refused(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"WEIGHER_{name}", value)
    with pytest.raises(ValidationError, match=name.lower()):
        Settings()


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(Settings(), "scale", 4)  # noqa: B010 - mypy knows that it cannot
