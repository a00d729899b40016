"""R6: the primary of Redis dies, and its replica, which lacks the last writes, takes its place."""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import pytest
from campaignctl.infrastructure import Found, Ground, Provider, standing_ground, take_redis
from campaignctl.rebuilding import rebuild
from campaignctl.stack import Stack, StackOptions
from dialer.usecases.dialing import PERMIT_LASTS_S
from redis import Redis

from tests.faults.campaign import Campaign, until
from tests.faults.conftest import SPEED, engine_on
from tests.faults.proxy import Proxy, proxied

Make = Callable[..., Campaign]

pytestmark = pytest.mark.timeout(400)


@dataclass(frozen=True)
class Pair:
    """A primary and its replica behind one address."""

    stack: Stack
    line: Proxy
    primary: Found
    primary_ground: Ground
    replica: Found


@pytest.fixture
def pair(found_kafka: Found, seed: int) -> Iterator[Pair]:
    with (
        standing_ground(announce=lambda _: None) as one,
        standing_ground(announce=lambda _: None) as other,
    ):
        primary, replica = (take_redis(ground, Provider.NATIVE) for ground in (one, other))
        with Redis.from_url(replica.address) as redis:
            redis.replicaof("127.0.0.1", port_of(primary))
        options = StackOptions(speed=SPEED, seed=seed, dialers=2)
        with (
            proxied(port_of(primary)) as line,
            engine_on(found_kafka.address, f"redis://127.0.0.1:{line.port}/0", options) as stack,
        ):
            yield Pair(stack, line, primary, one, replica)


def port_of(found: Found) -> int:
    return int(found.address.rpartition(":")[2].partition("/")[0])


def says_so(stack: Stack, dialer: str) -> bool:
    return "restarted or replaced" in stack.not_ready(dialer)


def test_a_replica_that_lacks_the_last_writes_dials_nobody_twice(
    campaign: Make, pair: Pair
) -> None:
    one = campaign(pair.stack, 200)
    one.start()
    one.await_rings(40)
    with Redis.from_url(pair.replica.address) as redis:
        until(lambda: redis.info("replication")["master_link_status"] == "up", 20, "the link")
        one.await_rings(60)
        redis.replicaof("NO", "ONE")  # what is written from here on is lost
    one.await_rings(75)
    pair.line.cut()
    pair.primary_ground.supervisor.kill(pair.primary.child or "")
    time.sleep(PERMIT_LASTS_S)  # for so long what the primary has permitted may still ring
    rung = len(one.rings())
    pair.line.lead_to(port_of(pair.replica))
    pair.line.heal()
    for dialer in ("dialer", "dialer-2"):
        until(partial(says_so, pair.stack, dialer), 20, f"{dialer} says so")
    assert len(one.rings()) == rung, "nothing rings on what the replica remembers"
    asyncio.run(rebuild(pair.stack.kafka_bootstrap, pair.stack.redis_url))
    pair.stack.await_ready(tuple(pair.stack.programs))
    one.await_end()
    one.verify()
