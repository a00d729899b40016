"""A Redis Cluster of three nodes on this machine, each a child process of its own."""

import time
from itertools import pairwise
from typing import Any

import redis

from campaignctl.child import POLL_S, ChildExited, ChildNotReady
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import redis_version
from campaignctl.infrastructure.programs import require_program
from campaignctl.infrastructure.provider import Ground, Running, Unavailable
from campaignctl.infrastructure.redis_server import redis_capabilities

NODES = 3
SLOTS = 16_384
CHILD = "redis-cluster"
AGREED_WITHIN_S = 20.0


def start_redis_cluster(ground: Ground) -> Running:
    """Start three nodes that share the slots; their children are `redis-cluster-1` and so on.

    Raises:
        Unavailable: There is no redis-server of version 7 or newer here, or it did not start.
    """
    binary = require_program("redis-server", ground.supervisor, ground.announce)
    ports = [(free_port(), free_port()) for _ in range(NODES)]
    try:
        for number, (port, bus_port) in enumerate(ports, start=1):
            _start_node(ground, binary, f"{CHILD}-{number}", port, bus_port)
        _join(ports)
    except (ChildExited, ChildNotReady) as error:
        raise Unavailable(f"the nodes of the cluster did not start: {error}") from error
    version = redis_version(f"redis://127.0.0.1:{ports[0][0]}/0") or "unknown"
    return Running(
        address="redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port, _ in ports),
        version=version,
        title=f"Redis Cluster {version} of {NODES} nodes",
        capabilities=redis_capabilities(version),
    )


def _start_node(ground: Ground, binary: str, child: str, port: int, bus_port: int) -> None:
    state = ground.supervisor.folder / child
    state.mkdir(parents=True, exist_ok=True)
    place = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(state))
    cluster = ("--cluster-enabled", "yes", "--cluster-port", str(bus_port))
    durable = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    ground.supervisor.start(
        child,
        [binary, *place, *cluster, *durable, "--maxmemory-policy", "noeviction"],
        ready=lambda: redis_version(f"redis://127.0.0.1:{port}/0") is not None,
        within_s=30,
    )


def _join(ports: list[tuple[int, int]]) -> None:
    """Give each node its part of the slots, introduce them, and wait until all agree."""
    nodes = [redis.Redis(port=port, decode_responses=True) for port, _ in ports]
    bounds = [SLOTS * number // NODES for number in range(NODES + 1)]
    try:
        for node, (first, after) in zip(nodes, pairwise(bounds), strict=True):
            _ask(node, "CLUSTER ADDSLOTSRANGE", first, after - 1)
        for port, bus_port in ports[1:]:
            _ask(nodes[0], "CLUSTER MEET", "127.0.0.1", port, bus_port)
        deadline = time.monotonic() + AGREED_WITHIN_S
        while not all(map(_agrees, nodes)):
            if time.monotonic() > deadline:
                raise Unavailable(f"the nodes did not agree within {AGREED_WITHIN_S:g} s")
            time.sleep(POLL_S)
    finally:
        for node in nodes:
            node.close()


def _agrees(node: redis.Redis) -> bool:
    facts: dict[str, str] = _ask(node, "CLUSTER INFO")
    return facts["cluster_state"] == "ok" and facts["cluster_known_nodes"] == str(NODES)


def _ask(node: redis.Redis, *words: str | int) -> Any:
    return node.execute_command(*words)  # type: ignore[no-untyped-call]
