"""What every service can be told by its environment; unknown keys are refused."""

import os
import re
import socket
import sys
from pathlib import Path
from typing import TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings

from chassis.connections import Connections

Known = TypeVar("Known", bound=BaseSettings)
COLLECTOR = re.compile(r"https?://[^/@\s]+(/\S*)?")
MISTAKEN = 2
"""Exit status of a program whose settings are wrong."""


class ServiceSettings(Connections):
    """Settings that all services share. Subclasses give the prefix and add their own."""

    replication_factor: int = Field(default=1, ge=1, description="Of topics that are made here.")
    provision_topics: bool = Field(
        default=True, description="Make the topics that are missing; else wait for them."
    )
    http_host: str = "127.0.0.1"
    http_port: int = Field(default=0, ge=0, le=65535, description="0: any free port.")
    log_level: str = Field(default="info", pattern="^(debug|info|warning|error)$")
    traces_endpoint: str | None = Field(
        default=None,
        description="Where a collector takes OTLP over HTTP; without it nothing is traced.",
    )
    traces_share: float = Field(
        default=0.1, ge=0, le=1, description="Of the attempts; the same in all services."
    )
    failpoint_file: Path | None = Field(default=None, description="For fault tests alone.")
    worker_id: str = Field(
        default_factory=socket.gethostname,
        pattern="^[A-Za-z0-9._-]{1,200}$",
        description="Tells replicas apart, so each needs its own; the host's name if left out.",
    )

    @field_validator("traces_endpoint")
    @classmethod
    def _names_collector(cls, given: str | None) -> str | None:
        if given is not None and not COLLECTOR.fullmatch(given):
            raise ValueError("write http://host:port or https://host:port, and no login in it")
        return given


def load(kind: type[Known]) -> Known:
    """Return the settings of a program; if they are wrong, end it with a sentence per mistake.

    Raises:
        SystemExit: Something is unknown, missing or makes no sense.
    """
    prefix = str(kind.model_config.get("env_prefix", "")).upper()
    known = sorted(prefix + name.upper() for name in kind.model_fields)
    unknown = sorted(name for name in os.environ if name.startswith(prefix) and name not in known)
    mistakes = [f"{name} is unknown" for name in unknown]
    settings = None
    try:
        settings = kind()
    except ValidationError as wrong:
        for row in wrong.errors():
            mistakes += mistakes_of(prefix, row["loc"], row["msg"])
    if settings is not None and not mistakes:
        return settings
    told = [*mistakes, *([f"known are: {', '.join(known)}"] if unknown else [])]
    print("\n".join(told), file=sys.stderr)  # noqa: T201 - there is no log yet
    raise SystemExit(MISTAKEN)


def mistakes_of(prefix: str, place: tuple[int | str, ...], says: str) -> list[str]:
    """Return what is wrong in sentences; what is about one variable begins with its name."""
    says = says.removeprefix("Value error, ")
    if not place:
        return says.splitlines()
    return [f"{prefix}{str(place[0]).upper()}: {says[:1].lower()}{says[1:]}"]
