"""The whole engine on a Redis Cluster: what changes together is in one slot, everywhere."""

from collections.abc import Iterator

import pytest
from campaignctl.infrastructure import Found
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.faults.conftest import engine_on


@pytest.fixture(scope="module")
def engine(found_kafka: Found, redis_cluster_url: str) -> Iterator[Stack]:
    with engine_on(found_kafka.address, redis_cluster_url, StackOptions(speed=4)) as stack:
        yield stack


def test_a_small_campaign_runs_to_its_end_on_a_cluster(engine: Stack) -> None:
    campaign = Campaign(engine, 20)
    try:
        campaign.start()
        campaign.await_end()
        campaign.verify()
    finally:
        campaign.close()
