"""What every service can be told by its environment; unknown keys are refused."""

import os
import socket
from pathlib import Path
from typing import Any

from pydantic import Field, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict


class ServiceSettings(BaseSettings):
    """Settings that all services share. Subclasses give the prefix and add their own."""

    model_config = SettingsConfigDict(frozen=True)

    kafka_bootstrap: str = Field(default="127.0.0.1:9092", description="host:port[,host:port]")
    redis_url: str = Field(
        default="redis://127.0.0.1:6379/0",
        description="redis://host:port/0, or redis+cluster://host:port[,host:port] of a cluster.",
    )
    replication_factor: int = Field(default=1, ge=1, description="Of topics that are made here.")
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535, description="0: any free port.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    failpoint_file: Path | None = Field(default=None, description="For fault tests alone.")
    worker_id: str = Field(
        default_factory=socket.gethostname,
        pattern="^[A-Za-z0-9._-]{1,200}$",
        description="Tells replicas apart, so each needs its own; the host's name if left out.",
    )

    @model_validator(mode="before")
    @classmethod
    def _refuse_unknown(cls, given: dict[str, Any]) -> dict[str, Any]:
        prefix = str(cls.model_config.get("env_prefix", "")).upper()
        if prefix:
            known = {prefix + name.upper() for name in cls.model_fields}
            unknown = {name for name in os.environ if name.startswith(prefix)} - known
            if unknown:
                raise ValueError(
                    f"unknown settings {', '.join(sorted(unknown))}; known are "
                    f"{', '.join(sorted(known))}"
                )
        return given
