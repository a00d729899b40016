"""Settings of the campaign-manager: environment variables with the prefix CAMPAIGN_MANAGER_."""

from typing import Literal, Self

from chassis.settings import ServiceSettings
from pydantic import Field, SecretStr, model_validator
from pydantic_settings import SettingsConfigDict


class Settings(ServiceSettings):
    """What the campaign-manager can be told."""

    model_config = SettingsConfigDict(env_prefix="CAMPAIGN_MANAGER_", frozen=True)

    http_port: int = 8080
    timestamps: Literal["seed", "iso"] = Field(
        default="seed",
        description="seed: 2022-04-28 02:16:39.712142, 9999-01-01 for never; iso: RFC 3339, null",
    )
    jwt_secret: SecretStr | None = Field(
        default=None,
        description="Signs logins. Without it a random one: logins end with the program.",
    )
    bootstrap_username: str | None = Field(
        default=None, description="An administrator to make at start, if there is no such agent."
    )
    bootstrap_password: SecretStr | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.bootstrap_username is None) != (self.bootstrap_password is None):
            raise ValueError("BOOTSTRAP_USERNAME and BOOTSTRAP_PASSWORD go together")
        return self
