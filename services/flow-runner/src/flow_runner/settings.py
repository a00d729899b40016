"""Settings of the flow-runner: environment variables with the prefix FLOW_RUNNER_."""

from pathlib import Path

from chassis.settings import ServiceSettings
from pydantic import Field
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What the flow-runner can be told."""

    model_config = SettingsConfigDict(env_prefix="FLOW_RUNNER_", frozen=True)

    http_port: int = 8082
    public_url: str = Field(
        default="http://127.0.0.1:8082",
        pattern="^https?://",
        description="Where the gateway fetches speech from.",
    )
    cache_folder: Path = Field(
        default=Path.home() / ".cache" / "campaign-engine" / "speech",
        description="Spoken texts are kept here by the hash of what they say.",
    )
    espeak: str = Field(default="espeak-ng", description="The program that speaks.")
    agent_rest_s: float = Field(
        default=5.0, ge=0, description="Seconds before an agent who did not answer is asked again."
    )
