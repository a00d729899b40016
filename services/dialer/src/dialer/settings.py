"""Settings of the dialer: environment variables with the prefix DIALER_."""

from pathlib import Path

from chassis.settings import ServiceSettings
from pydantic import Field, SecretStr
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What the dialer can be told."""

    model_config = SettingsConfigDict(env_prefix="DIALER_", frozen=True)

    http_port: int = 8081
    ari_url: str = Field(
        default="http://127.0.0.1:8088/ari",
        pattern="^https?://",
        description="The gateway's ARI, http:// or https://.",
    )
    ari_username: str = Field(default="dialer", min_length=1)
    ari_password: SecretStr = SecretStr("dialer")
    gateway_calls_per_second: int | None = Field(
        default=None,
        ge=1,
        description="In any rolling second, over all dialers and campaigns; none: no limit.",
    )
    call_records: Path | None = Field(
        default=None,
        description="The gateway's call records (Asterisk's cdr_custom CSV, channel id first). "
        "Without it, what became of a call that a crash interrupted may stay ambiguous.",
    )

    @property
    def worker(self) -> str:
        """Name of this dialer; also its ARI application, so it must be its own."""
        return f"dialer-{self.worker_id}"
