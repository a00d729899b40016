"""One engine for the end-to-end tests: four processes on a Kafka and a Redis of their own."""

from collections.abc import Iterator

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.collecting import Collector, standing_collector
from tests.replaying import replayed_stack

SERVICES = ("CAMPAIGN_MANAGER", "DIALER", "FLOW_RUNNER")


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """Where the engine sends its spans."""
    with standing_collector() as standing:
        yield standing


@pytest.fixture(scope="session")
def engine(collector: Collector) -> Iterator[Stack]:
    """A running engine whose carrier lives twice as fast as a real one; its log must replay."""
    settings = {"OTEL_BSP_SCHEDULE_DELAY": "200"}
    for service in SERVICES:
        settings[f"{service}_TRACES_ENDPOINT"] = collector.endpoint
        settings[f"{service}_TRACES_SHARE"] = "1"
    with replayed_stack(StackOptions(speed=2, settings=settings)) as stack:
        yield stack
