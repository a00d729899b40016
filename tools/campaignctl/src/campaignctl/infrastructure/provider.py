"""What a provider of Kafka or Redis is: a way to have it, from the most real to the least."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from enum import StrEnum

from campaignctl.supervision import Supervisor

Announce = Callable[[str], None]


class Provider(StrEnum):
    """A way to have Kafka or Redis; the order of declaration is the order of preference."""

    ENV = "env"
    DOCKER = "docker"
    NATIVE = "native"
    EMBEDDED = "embedded"


class Unavailable(Exception):
    """This provider cannot be had on this machine; the text says why."""


class InfrastructureUnavailable(Exception):
    """Kafka or Redis cannot be had in the way that was asked for; the text says why."""


@dataclass(frozen=True)
class Ground:
    """What a provider stands on while it runs.

    Attributes:
        supervisor: Starts and ends its processes; its folder holds the state.
        announce: Tells the user a line.
        at_end: What must be undone at the end, other than processes.
        must_keep: The state must outlive this run.
    """

    supervisor: Supervisor
    announce: Announce
    at_end: ExitStack
    must_keep: bool = False


@dataclass(frozen=True, kw_only=True)
class Running:
    """Kafka or Redis, answering.

    Attributes:
        address: `host:port` for Kafka, a `redis://` address for Redis.
        version: The server's version, "unknown" where it does not tell.
        title: Name and version for people.
        capabilities: What not every provider can do, by the words of `needs_kafka`.
        child: Its name at the supervisor, to kill and restart it; None where it is not ours.
    """

    address: str
    version: str
    title: str
    capabilities: frozenset[str]
    child: str | None = None


@dataclass(frozen=True, kw_only=True)
class Found(Running):
    """What was taken, and why."""

    provider: Provider
    why: str


Start = Callable[[Ground], Running]
