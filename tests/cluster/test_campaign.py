"""Rendered pods, run as a kubelet runs them, carry out a campaign on what asks for logins."""

from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

from campaignctl.stack import Stack

from tests.cluster.conftest import objects_on
from tests.cluster.network import Network
from tests.cluster.running import Cluster, ClusterStack, cluster_of
from tests.faults.campaign import Campaign
from tests.secured.ground import Secured

FAST = {"simulator.speed": "10"}
INTERRUPTED = 130
"""A command that stays is ended as ctrl-C ends it."""


def campaign_on(stack: ClusterStack, targets: int, **how: object) -> Campaign:
    return Campaign(cast(Stack, stack), targets, **how)  # type: ignore[arg-type]


def assert_orderly(cluster: Cluster, there: Secured) -> None:
    """Every pod has ended in time and as asked, after a life without a failed probe."""
    for pod in cluster.gone:
        name = pod.pod.name
        assert not pod.was_killed, f"{name} had to be killed:\n{cluster.said(pod)[-3000:]}"
        fine = {0, INTERRUPTED} if "campaignctl" in pod.pod.command else {0}
        assert (pod.failures, pod.code in fine) == ([], True), (
            f"{name}:\n{cluster.said(pod)[-3000:]}"
        )
        assert there.password not in cluster.said(pod)


def longest_pause_s(rings: list[dict[str, Any]], since: datetime | None = None) -> float:
    """Return for how many seconds no call began."""
    at = sorted(datetime.fromisoformat(line["at"]) for line in rings)
    return max(
        (after - before).total_seconds()
        for before, after in pairwise(at)
        if since is None or after > since
    )


def test_a_campaign_passes_through_rendered_pods(
    asking: Secured, pod_network: Network, tmp_path: Path
) -> None:
    with cluster_of(objects_on(asking, "values-laptop", **FAST), pod_network, tmp_path) as cluster:
        stack = ClusterStack(cluster, asking.plain_bootstrap, asking.password)
        one = campaign_on(stack, 40)
        one.start()
        one.await_end(120)
        one.verify()
        one.close()
    assert_orderly(cluster, asking)
