"""Every service is replaced in the middle of a campaign, as its Deployment says: nobody notices."""

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import datetime

import httpx
import pytest

from tests.cluster.conftest import objects_on
from tests.cluster.network import Network
from tests.cluster.running import Cluster, ClusterStack, cluster_of
from tests.cluster.test_campaign import assert_orderly, campaign_on, longest_pause_s
from tests.secured.ground import Secured

NAMES = ("campaign-manager", "flow-runner", "dialer")
PAUSE_S = 2.0
PER_SECOND = 4
TARGETS = 4000
"""More than can be called meanwhile; the campaign is stopped when all are replaced."""
TWO = {f"{name}.replicas": "2" for name in ("campaignManager", "dialer", "flowRunner")} | {
    "simulator.speed": "2"
}

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def pair(
    asking: Secured, pod_network: Network, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Cluster, ClusterStack]]:
    """Two pods of each service."""
    folder = tmp_path_factory.mktemp("pair")
    with cluster_of(objects_on(asking, "values-production", **TWO), pod_network, folder) as cluster:
        yield cluster, ClusterStack(cluster, asking.plain_bootstrap, asking.password)
    assert_orderly(cluster, asking)


class Caller:
    """Asks the API again and again, each time over a new connection, and keeps what went wrong."""

    def __init__(self, url: str) -> None:
        self.asked, self.wrong = 0, list[str]()
        self._url, self._end = url, threading.Event()
        self._thread = threading.Thread(target=self._ask, daemon=True)
        self._thread.start()

    def end(self) -> None:
        self._end.set()
        self._thread.join()

    def _ask(self) -> None:
        while not self._end.wait(0.1):
            self.asked += 1
            try:
                answer = httpx.get(f"{self._url}/v1.0/campaigns", timeout=30, trust_env=False)
                if answer.status_code != 401:  # it is nobody
                    self.wrong.append(str(answer.status_code))
            except httpx.TransportError as error:
                self.wrong.append(repr(error))


def test_every_service_is_rolled_and_nobody_notices(
    pair: tuple[Cluster, ClusterStack], asking: Secured, tell: Callable[[str], None]
) -> None:
    cluster, stack = pair
    one = campaign_on(stack, TARGETS, endings=("70101",), per_second=PER_SECOND)
    caller = Caller(stack.api_url)
    one.start()
    one.await_rings(20)
    for name in NAMES:
        began = datetime.now().astimezone()
        seconds = cluster.restart(f"campaign-engine-{name}")
        pause_s = longest_pause_s(one.rings(), began)
        tell(f"{name}: rolled in {seconds:.1f} s; no call began for {pause_s:.2f} s at most")
        assert not one.is_over(), "there was something to dial all the time"
    caller.end()
    one.stop()
    one.await_end(120)
    one.verify(is_done=False)
    rung = Counter(line["number"] for line in one.rings())
    tell(f"{len(rung)} numbers were called; the API was asked {caller.asked} times")
    assert set(rung.values()) == {1}, "all heard it to its end"
    assert not caller.wrong, Counter(caller.wrong)
    assert longest_pause_s(one.rings()) < PAUSE_S
    one.close()
