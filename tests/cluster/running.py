"""Rendered objects brought to life: Services, Jobs, and Deployments with their rollouts."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

from campaignctl.stack import journal_lines
from campaignctl.supervision import Supervisor

from tests.cluster.images import image_of
from tests.cluster.kubelet import TICK_S, Node, RunningPod
from tests.cluster.network import Network
from tests.cluster.pods import Manifest, Pod, pod_of
from tests.cluster.rollout import Strategy, step, strategy_of
from tests.deploy import dockerfile

READY_WITHIN_S = 180.0


class Cluster:
    """The objects of one namespace and the pods that they stand for.

    Attributes:
        pods: All that have not ended, by the name of their Deployment.
        gone: All that have.
    """

    def __init__(self, objects: list[Manifest], node: Node) -> None:
        self._objects, self._node = objects, node
        self._dockerfile = dockerfile.read()
        self.deployments = {
            one["metadata"]["name"]: one for one in objects if one["kind"] == "Deployment"
        }
        self.pods: dict[str, list[RunningPod]] = {name: [] for name in self.deployments}
        self.gone: list[RunningPod] = []
        self.addresses = {
            one["metadata"]["name"]: self._serve(one) for one in objects if one["kind"] == "Service"
        }

    def start(self) -> None:
        """Run the Jobs to their ends, start all Deployments, and return when all are ready."""
        for one in self._objects:
            if one["kind"] == "Job":
                pod = self._run(one["metadata"]["name"], one["spec"]["template"])
                self._await(pod, lambda one: one.code == 0)
                pod.end()
                pod.await_gone()
                self.gone.append(pod)
        for name, deployment in self.deployments.items():
            for _ in range(strategy_of(deployment).replicas):
                self.pods[name].append(self._run(name, deployment["spec"]["template"]))
        for name in self.deployments:
            for pod in self.pods[name]:
                self._await(pod, lambda one: one.is_ready)

    def restart(self, name: str) -> float:
        """Replace all pods of a Deployment as its strategy says; return how long it took."""
        deployment, began = self.deployments[name], time.monotonic()
        may, old, new = strategy_of(deployment), self.pods[name], list[RunningPod]()
        ending: list[RunningPod] = []
        is_recreated = deployment["spec"]["strategy"]["type"] == "Recreate"
        while old or len(new) < may.replicas or _available(may, new) < may.replicas:
            told = step(may, new=len(new), old=len(old), available=_available(may, [*old, *new]))
            for pod in [old.pop(0) for _ in range(told.end)]:
                pod.end()
                ending.append(pod)
                if is_recreated:
                    pod.await_gone()
            for _ in range(told.make):
                new.append(self._run(name, deployment["spec"]["template"]))
                self.pods[name] = [*old, *new]
            assert time.monotonic() - began < may.replicas * READY_WITHIN_S, f"{name} does not roll"
            time.sleep(TICK_S)
        self.pods[name] = new
        for pod in ending:
            pod.await_gone()
        self.gone += ending
        return time.monotonic() - began

    def said(self, pod: RunningPod) -> str:
        """Return all that a pod has written."""
        log = self._node.supervisor.folder / "logs" / f"{pod.pod.name}.log"
        return log.read_text(errors="replace")

    def end(self) -> None:
        """End all pods, and wait for it."""
        for name in self.deployments:
            for pod in self.pods[name]:
                pod.end()
        for name in self.deployments:
            for pod in self.pods[name]:
                pod.await_gone()
            self.gone += self.pods[name]
            self.pods[name] = []

    def kill(self) -> None:
        """End all pods at once."""
        for pods in self.pods.values():
            for pod in pods:
                pod.kill()

    def _await(self, pod: RunningPod, condition: Callable[[RunningPod], bool]) -> None:
        deadline = time.monotonic() + READY_WITHIN_S
        while not condition(pod):
            late = f"{pod.pod.name}: not within {READY_WITHIN_S:g} s; {pod.failures}"
            assert time.monotonic() < deadline, f"{late}\n{self.said(pod)[-3000:]}"
            time.sleep(TICK_S)

    def _run(self, owner: str, template: Manifest) -> RunningPod:
        space, address = self._node.network.add_pod()
        name = f"{owner}-{uuid4().hex[:5]}"
        program = template["spec"]["containers"][0]["image"].rpartition("/")[2].partition(":")[0]
        image = image_of(self._dockerfile, program.partition("@")[0])
        return RunningPod(pod_of(template, name, address, self._objects, image), space, self._node)

    def _serve(self, service: Manifest) -> str:
        (port,) = service["spec"]["ports"]
        selector = service["spec"]["selector"].items()

        def ready() -> list[tuple[str, int]]:
            pods = [pod for pods in list(self.pods.values()) for pod in list(pods) if pod.is_ready]
            matching = [pod.pod for pod in pods if selector <= pod.pod.labels.items()]
            return [(pod.address, _port(pod, port["targetPort"])) for pod in matching]

        name = service["metadata"]["name"]
        address = self._node.network.add_service(port["port"], ready)
        self._node.hosts[name] = address
        return address


def _port(pod: Pod, told: int | str) -> int:
    return told if isinstance(told, int) else pod.ports[told]


def _available(may: Strategy, pods: list[RunningPod]) -> int:
    return sum(pod.ready_for() >= may.min_ready_s for pod in pods)


@contextmanager
def cluster_of(objects: list[Manifest], network: Network, folder: Path) -> Iterator[Cluster]:
    """Have the objects alive for the time of the block."""
    with Supervisor(folder) as supervisor:
        node = Node(supervisor, network, folder / "pods")
        cluster = Cluster(objects, node)
        try:
            cluster.start()
            yield cluster
            cluster.end()
        finally:
            cluster.kill()


class ClusterStack:
    """What a campaign must know of an engine, of one that is in pods.

    Attributes:
        kafka_bootstrap: Without any question, for tests to look at.
        api_url: Where the Service of the campaign-manager is.
    """

    def __init__(self, cluster: Cluster, kafka_bootstrap: str, password: str) -> None:
        name = "campaign-engine-campaign-manager"
        self.cluster, self.kafka_bootstrap = cluster, kafka_bootstrap
        self.api_url = f"http://{cluster.addresses[name]}:8080"
        self.username, self.password = "admin@example.com", password
        (carrier,) = cluster.pods["campaign-engine-carrier-simulator"]
        self.journal = carrier.volume("/journal") / "journal.jsonl"
        self.call_records = carrier.volume("/journal") / "Master.csv"

    def journal_lines(self, offset: int = 0) -> list[dict[str, Any]]:
        """Return the originations that the journal has from this byte on."""
        return journal_lines(self.journal, offset)
