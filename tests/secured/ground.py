"""A Kafka and a Redis that ask everybody who he is, over encrypted lines."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme
from campaignctl.infrastructure import Ground, require_program
from campaignctl.infrastructure.kafka_jars import require_jars
from campaignctl.infrastructure.kafka_native import CLUSTER_ID, JVM, ONE_NODE, QUICK
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import kafka_answers, redis_version
from campaignctl.infrastructure.programs import require_java
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.secured.rights import PROGRAMS, user_of

USER = "engine"
MECHANISM = "SCRAM-SHA-512"
REDIS_RIGHTS = "~* &* +@all -@admin -@dangerous +info +keys"


@dataclass(frozen=True)
class Secured:
    """Where they are, and what they ask for.

    Attributes:
        ca_file: The authority that has signed for both.
        plain_bootstrap: The same Kafka without any question, for tests to look at.
    """

    kafka_bootstrap: str
    plain_bootstrap: str
    redis_url: str
    ca_file: Path
    other_ca_file: Path
    password: str = field(default_factory=lambda: secrets.token_urlsafe(16))

    def settings(self, **instead: str) -> dict[str, str]:
        """Return what a client must be told, without prefix; some of it may be told wrong."""
        return {
            "KAFKA_BOOTSTRAP": self.kafka_bootstrap,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_SASL_MECHANISM": MECHANISM,
            "KAFKA_USERNAME": USER,
            "KAFKA_PASSWORD": self.password,
            "KAFKA_CA_FILE": str(self.ca_file),
            "REDIS_URL": self.redis_url,
            "REDIS_USERNAME": USER,
            "REDIS_PASSWORD": self.password,
            "REDIS_CA_FILE": str(self.ca_file),
        } | instead


@contextmanager
def secured_ground(
    ground: Ground, folder: Path, host: str = "127.0.0.1", name: str = "secured"
) -> Iterator[Secured]:
    """Have both for the time of the block; their processes are children of the ground.

    Args:
        folder: Empty; what they keep is there.
        host: The address of this machine that they listen at.
        name: Theirs at the supervisor, behind `kafka-` and `redis-`.
    """
    authority, stranger = trustme.CA(), trustme.CA()
    certificate = authority.issue_cert(host, "localhost")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    stranger.cert_pem.write_to_path(folder / "stranger.pem")
    (folder / "server.pem").write_bytes(as_pkcs8(certificate))
    ports = [free_port() for _ in range(4)]
    there = Secured(
        kafka_bootstrap=f"{host}:{ports[0]}",
        plain_bootstrap=f"{host}:{ports[1]}",
        redis_url=f"rediss://{host}:{ports[3]}/0",
        ca_file=folder / "ca.pem",
        other_ca_file=folder / "stranger.pem",
    )
    children = [
        _kafka(ground, folder, there, ports, f"kafka-{name}"),
        _redis(ground, folder, there, ports[3], f"redis-{name}"),
    ]
    try:
        yield there
    finally:
        for child in children:
            ground.supervisor.kill(child)


def as_pkcs8(certificate: trustme.LeafCert) -> bytes:
    """Return a key, as Java wants it, and its certificates."""
    key = load_pem_private_key(certificate.private_key_pem.bytes(), password=None)
    wanted = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    chain = b"".join(blob.bytes() for blob in certificate.cert_chain_pems)
    return key.private_bytes(*wanted) + chain


def _kafka(ground: Ground, folder: Path, there: Secured, ports: list[int], name: str) -> str:
    host = there.kafka_bootstrap.partition(":")[0]
    secured, plain, controller, _ = ports
    java, _version = require_java(ground.supervisor, ground.announce)
    jars, _ = require_jars(ground.supervisor, ground.announce)
    kafka = [java, *JVM, "-cp", f"{jars}/*"]
    own = {
        "listener.security.protocol.map": (
            "PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURED:SASL_SSL"
        ),
        "inter.broker.listener.name": "PLAINTEXT",
        "log.dirs": str(folder / "kafka"),
        "listeners": (
            f"PLAINTEXT://{host}:{plain},CONTROLLER://127.0.0.1:{controller},"
            f"SECURED://{host}:{secured}"
        ),
        "advertised.listeners": f"PLAINTEXT://{host}:{plain},SECURED://{host}:{secured}",
        "controller.quorum.voters": f"1@127.0.0.1:{controller}",
        "sasl.enabled.mechanisms": MECHANISM,
        "listener.name.secured.scram-sha-512.sasl.jaas.config": (
            "org.apache.kafka.common.security.scram.ScramLoginModule required;"
        ),
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USER}",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "server.pem"),
    }
    properties = folder / "server.properties"
    lines = (f"{name}={value}\n" for name, value in (ONE_NODE | QUICK | own).items())
    properties.write_text("".join(lines))
    users = (USER, *map(user_of, PROGRAMS))
    logins = [f"{MECHANISM}=[name={user},password={there.password}]" for user in users]
    tool = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c", str(properties)]
    added = [word for login in logins for word in ("--add-scram", login)]
    ground.supervisor.run(f"{name}-format", [*kafka, *tool, *added])
    ground.supervisor.start(
        name,
        [*kafka, "kafka.Kafka", str(properties)],
        ready=lambda: kafka_answers(there.plain_bootstrap),
        within_s=120,
    )
    return name


def _redis(ground: Ground, folder: Path, there: Secured, port: int, name: str) -> str:
    host = there.kafka_bootstrap.partition(":")[0]
    binary = require_program("redis-server", ground.supervisor, ground.announce)
    rules = folder / "users.acl"
    rules.write_text(f"user default off\nuser {USER} on >{there.password} {REDIS_RIGHTS}\n")
    tls = ["--tls-port", str(port), "--port", "0", "--tls-auth-clients", "no"]
    files = ["--tls-cert-file", str(folder / "server.pem"),
             "--tls-key-file", str(folder / "server.pem"),
             "--tls-ca-cert-file", str(there.ca_file)]  # fmt: skip
    durable = ["--appendonly", "yes", "--save", "", "--dir", str(folder)]
    address = there.redis_url.replace("://", f"://{USER}:{there.password}@")
    ground.supervisor.start(
        name,
        [binary, "--bind", host, *tls, *files, *durable, "--aclfile", str(rules)],
        ready=lambda: redis_version(f"{address}?ssl_ca_certs={there.ca_file}") is not None,
        within_s=30,
    )
    return name
