"""Apache Kafka itself, one node in KRaft combined mode, on this machine's JVM."""

from pathlib import Path

from campaignctl.infrastructure.kafka_jars import require_jars
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import kafka_answers
from campaignctl.infrastructure.programs import require_java
from campaignctl.infrastructure.provider import Ground, Running, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady

CAPABILITIES = frozenset(
    {"transactions", "compaction", "retention", "delete_records", "describe_configs", "fsync"}
)
CHILD = "kafka-native"
CLUSTER_ID = "campaignEngineLocal000"  # 22 characters of base64, as Kafka wants it
JVM = ("-Xms128m", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=WARN")
ONE_NODE: dict[str, str] = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "listener.security.protocol.map": "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT",
}
# What differs from a cluster in earnest, and why; containers are set up by it too.
QUICK: dict[str, str] = {
    # A forgotten topic must show, not appear by itself.
    "auto.create.topics.enable": "false",
    # One node holds the only replica of everything.
    "offsets.topic.replication.factor": "1",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # Few partitions of the inner topics, so that the first group or transaction begins at once.
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.num.partitions": "2",
    # Groups form at once, and lose a dead member as soon as its own session says.
    "group.initial.rebalance.delay.ms": "0",
    "group.min.session.timeout.ms": "1000",
    # Cleaning and retention are at work within seconds, at the memory of a laptop.
    "log.initial.task.delay.ms": "1000",
    "log.cleaner.backoff.ms": "1000",
    "log.cleaner.dedupe.buffer.size": "4194304",
    "log.retention.check.interval.ms": "5000",
    "log.index.size.max.bytes": "1048576",
    # A broker is let in by its second heartbeat, which is most of the waiting at the start.
    "broker.heartbeat.interval.ms": "500",
    # A killed broker may come back when the session of its earlier life has ended.
    "broker.session.timeout.ms": "3000",
    "num.network.threads": "2",
    "num.io.threads": "4",
}


def start_native_kafka(ground: Ground) -> Running:
    """Start Apache Kafka on the local JVM; its state lies in `kafka-native` of the folder.

    Raises:
        Unavailable: Java, Maven or the jars cannot be had, or the broker did not start.
    """
    java, java_version = require_java(ground.supervisor, ground.announce)
    jars, version = require_jars(ground.supervisor, ground.announce)
    state = ground.supervisor.folder / CHILD
    state.mkdir(parents=True, exist_ok=True)
    port, properties = free_port(), state / "server.properties"
    properties.write_text(_properties(state / "log", port, free_port()))
    kafka = [java, *JVM, "-cp", f"{jars}/*"]
    bootstrap = f"127.0.0.1:{port}"
    try:
        if not (state / "log" / "meta.properties").is_file():
            _format(kafka, properties, ground)
        ground.supervisor.start(
            CHILD,
            [*kafka, "kafka.Kafka", str(properties)],
            ready=lambda: kafka_answers(bootstrap),
            within_s=60,
        )
    except (ChildExited, ChildNotReady) as error:
        raise Unavailable(f"Apache Kafka did not start: {error}") from error
    title = f"Apache Kafka {version} on Java {java_version}"
    return Running(
        address=bootstrap, version=version, title=title, capabilities=CAPABILITIES, child=CHILD
    )


def _properties(log: Path, port: int, controller_port: int) -> str:
    own = {
        "log.dirs": str(log),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller_port}",
    }
    return "".join(f"{name}={value}\n" for name, value in (ONE_NODE | QUICK | own).items())


def _format(kafka: list[str], properties: Path, ground: Ground) -> None:
    tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
    ground.supervisor.run(f"{CHILD}-format", [*kafka, *tool])
