"""Several Kafka brokers on this machine, each a child of its own that can die and come back.

All of them are controllers too. They talk among themselves on ports that no client is told, so
that a line to a broker can be broken without a quarrel among the brokers.
"""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from campaignctl.child import POLL_S
from campaignctl.infrastructure.kafka_jars import require_jars
from campaignctl.infrastructure.kafka_native import CLUSTER_ID, QUICK
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import kafka_answers
from campaignctl.infrastructure.programs import require_java
from campaignctl.infrastructure.provider import Ground, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady, Supervisor

JVM = ("-Xms64m", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dlog4j2.level=WARN")
READY_WITHIN_S = 90.0
MOST_REPLICAS = 3
SHARED: dict[str, str] = {
    "process.roles": "broker,controller",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "INTERNAL",
    "listener.security.protocol.map": (
        "PLAINTEXT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    ),
    # A follower that has died holds up acks=all no longer than this.
    "replica.lag.time.max.ms": "3000",
}


@dataclass(frozen=True)
class Broker:
    """One broker: its number, its name at the supervisor, and where it listens."""

    number: int
    child: str
    port: int
    internal_port: int
    controller_port: int


class Brokers:
    """The running brokers, which can be killed and started again one by one.

    Attributes:
        address: Of all brokers, as clients are told it.
        each: The brokers, numbered from 1.
    """

    def __init__(self, address: str, each: tuple[Broker, ...], supervisor: Supervisor) -> None:
        self.address, self.each = address, each
        self._supervisor = supervisor

    def kill(self, number: int) -> None:
        """End a broker by SIGKILL."""
        self._supervisor.kill(self.each[number - 1].child)

    def restart(self, number: int) -> None:
        """Start a broker again where it was; stop it orderly before, if it runs.

        Raises:
            ChildExited: It ended before it answered.
            ChildNotReady: It did not answer in time; it has been killed.
        """
        self._supervisor.restart(self.each[number - 1].child)

    def is_running(self, number: int) -> bool:
        """Say whether a broker lives."""
        return self._supervisor.is_running(self.each[number - 1].child)


def start_kafka_cluster(
    ground: Ground, count: int = 3, *, name: str = "kafka", told: Sequence[int] = ()
) -> Brokers:
    """Start brokers and return when all of them answer; their children are `NAME-1` and so on.

    Args:
        ground: Their state lies in its folder.
        count: How many; inner topics have as many replicas, but at most three.
        name: Of the children, if there are several clusters.
        told: Ports that the brokers tell clients instead of their own, such as those of proxies.

    Raises:
        Unavailable: Java, Maven or the jars cannot be had, or a broker did not start.
    """
    java, _ = require_java(ground.supervisor, ground.announce)
    jars, _ = require_jars(ground.supervisor, ground.announce)
    kafka = [java, *JVM, "-cp", f"{jars}/*"]
    each = tuple(
        Broker(number, f"{name}-{number}", free_port(), free_port(), free_port())
        for number in range(1, count + 1)
    )
    seen = tuple(told) or tuple(broker.port for broker in each)
    try:
        for broker, port in zip(each, seen, strict=True):
            _start(ground.supervisor, kafka, broker, each, port)
        _await_all(ground.supervisor, each)
    except (ChildExited, ChildNotReady) as error:
        raise Unavailable(f"a broker did not start: {error}") from error
    address = ",".join(f"127.0.0.1:{port}" for port in seen)
    return Brokers(address, each, ground.supervisor)


def _start(
    supervisor: Supervisor, kafka: list[str], broker: Broker, each: Sequence[Broker], seen: int
) -> None:
    state = supervisor.folder / broker.child
    state.mkdir(parents=True, exist_ok=True)
    properties = state / "server.properties"
    settings = QUICK | SHARED | _replicas(len(each)) | _own(state / "log", broker, each, seen)
    properties.write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    if not (state / "log" / "meta.properties").is_file():
        tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
        supervisor.run(f"{broker.child}-format", [*kafka, *tool])
    supervisor.start(
        broker.child,
        [*kafka, "kafka.Kafka", str(properties)],
        ready=_Answers(broker.port),
        within_s=READY_WITHIN_S,
    )


class _Answers:
    """Whether a broker answers; the first time without waiting, for it waits for the others."""

    def __init__(self, port: int) -> None:
        self._address = f"127.0.0.1:{port}"
        self._is_first = True

    def __call__(self) -> bool:
        is_first, self._is_first = self._is_first, False
        return is_first or kafka_answers(self._address)


def _await_all(supervisor: Supervisor, each: Sequence[Broker]) -> None:
    deadline = time.monotonic() + READY_WITHIN_S
    for broker in each:
        while not kafka_answers(f"127.0.0.1:{broker.port}"):
            supervisor.check()
            if time.monotonic() > deadline:
                raise ChildNotReady(broker.child, READY_WITHIN_S, "")
            time.sleep(POLL_S)


def _replicas(count: int) -> dict[str, str]:
    replicas, in_sync = str(min(count, MOST_REPLICAS)), str(min(count, 2))
    return {
        "default.replication.factor": replicas,
        "min.insync.replicas": in_sync,
        "offsets.topic.replication.factor": replicas,
        "transaction.state.log.replication.factor": replicas,
        "transaction.state.log.min.isr": in_sync,
        "share.coordinator.state.topic.replication.factor": replicas,
        "share.coordinator.state.topic.min.isr": in_sync,
    }


def _own(log: Path, broker: Broker, each: Sequence[Broker], seen: int) -> dict[str, str]:
    internal = f"INTERNAL://127.0.0.1:{broker.internal_port}"
    voters = (f"{other.number}@127.0.0.1:{other.controller_port}" for other in each)
    return {
        "node.id": str(broker.number),
        "log.dirs": str(log),
        "listeners": (
            f"PLAINTEXT://127.0.0.1:{broker.port},{internal},"
            f"CONTROLLER://127.0.0.1:{broker.controller_port}"
        ),
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{seen},{internal}",
        "controller.quorum.voters": ",".join(voters),
    }
