"""A network of pods, with a Kafka and a Redis on it that ask everybody who he is."""

import base64
import compileall
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from campaignctl.infrastructure import Ground

from deploy.helm.make_manifests import render
from tests.cluster.kubelet import SHOWN, is_possible
from tests.cluster.network import Network
from tests.cluster.pods import Manifest
from tests.deploy.rendering import parsed
from tests.secured.ground import MECHANISM, USER, Secured, secured_ground

SECRET = "engine-secrets"
HERE = Path(__file__).parent
LONG = ("test_campaign", "test_control_plane", "test_rolling")
"""What `make test` leaves out."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker("cluster")
            if item.path.stem not in LONG:
                item.add_marker("short")


class Session(Protocol):
    @property
    def ground(self) -> Ground: ...
    def announce(self, line: str) -> None: ...


@pytest.fixture(scope="session")
def tell(stack: Session) -> Callable[[str], None]:
    """Tells a figure where the end of the session's report repeats it."""
    return stack.announce


@pytest.fixture(scope="session")
def pod_network() -> Iterator[Network]:
    if why := is_possible():
        pytest.skip(why)
    for part in SHOWN:  # as pip does in an image, whose files nobody can write either
        compileall.compile_dir(part, quiet=1)
    network = Network()
    yield network
    network.close()


@pytest.fixture(scope="session")
def asking(
    stack: Session,
    espeak_ng: str,
    pod_network: Network,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Secured]:
    """Kafka and Redis where pods can reach them."""
    folder = tmp_path_factory.mktemp("asking")
    with secured_ground(stack.ground, folder, pod_network.gateway, "pods") as there:
        yield there


def values_of(there: Secured, **more: str) -> list[str]:
    """Return what Helm is told, over a file of values, of what is here."""
    told = {
        "trial.kafka.enabled": "false",
        "trial.redis.enabled": "false",
        "autoscaling.by": "none",
        "simulator.enabled": "true",
        "kafka.replicationFactor": "1",
        "kafka.bootstrap": there.kafka_bootstrap,
        "kafka.protocol": "SASL_SSL",
        "kafka.mechanism": MECHANISM,
        "kafka.username": USER,
        "kafka.password.secret": SECRET,
        "kafka.ca.secret": SECRET,
        "redis.url": there.redis_url,
        "redis.username": USER,
        "redis.password.secret": SECRET,
        "redis.ca.secret": SECRET,
        "gateway.password.secret": SECRET,
        "campaignManager.jwt.secret": SECRET,
        "campaignManager.bootstrap.password.secret": SECRET,
    } | more
    return [word for name, value in told.items() for word in ("--set", f"{name}={value}")]


def secret_of(there: Secured) -> Manifest:
    """Return the Secret that these values name."""
    told = {
        "password": there.password,
        "ca.crt": there.ca_file.read_text(),
        "ari-password": "of-the-gateway",
        "jwt-secret": there.password * 2,
        "bootstrap-password": there.password,
    }
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in told.items()}
    return {"kind": "Secret", "metadata": {"name": SECRET}, "data": encoded}


def objects_on(there: Secured, values: str, **more: str) -> list[Manifest]:
    """Return what the chart makes of a file of values for what is here."""
    rendered = parsed(render(values, *values_of(there, **more)))
    return [*rendered, secret_of(there)]
