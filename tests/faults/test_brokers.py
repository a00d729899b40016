"""R4: brokers die and are restarted in mid-campaign; replication carries the campaign through."""

import asyncio
from collections.abc import Callable

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from campaignctl.infrastructure import Brokers
from campaignctl.stack import Stack
from contracts.topics import CALL_EVENTS

from tests.faults.campaign import Campaign, until

Make = Callable[..., Campaign]

pytestmark = pytest.mark.timeout(400)


def test_the_death_of_a_leader_loses_nothing_and_rings_nobody_twice(
    campaign: Make, replicated: Stack, three_brokers: Brokers
) -> None:
    one = campaign(replicated)
    one.start()
    one.await_rings(one.targets // 4)
    leader = leaders(three_brokers)[0]
    three_brokers.kill(leader)
    rung = len(one.rings())
    until(lambda: len(one.rings()) > rung + 10, 60, "dialing goes on with two of three")
    three_brokers.restart(leader)
    one.await_end()
    one.verify()


def test_a_rolling_restart_of_all_brokers_loses_nothing(
    campaign: Make, replicated: Stack, three_brokers: Brokers
) -> None:
    one = campaign(replicated, 300, per_second=10)
    one.start()
    one.await_rings(20)
    for broker in three_brokers.each:
        until(lambda: is_in_sync(three_brokers), 60, "all replicas in sync")
        three_brokers.restart(broker.number)
    one.await_end()
    one.verify()


def leaders(brokers: Brokers) -> list[int]:
    """The brokers that lead the partitions of the call events."""
    return [leader for leader, _ in _partitions(brokers)]


def is_in_sync(brokers: Brokers) -> bool:
    return all(in_sync == len(brokers.each) for _, in_sync in _partitions(brokers))


def _partitions(brokers: Brokers) -> list[tuple[int, int]]:
    async def ask() -> list[tuple[int, int]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=brokers.address)
        await admin.start()
        try:
            (topic,) = await admin.describe_topics([CALL_EVENTS.name])
        finally:
            await admin.close()
        return [(one["leader"], len(one["isr"])) for one in topic["partitions"]]

    return asyncio.run(ask())
