"""One engine for the end-to-end tests: four processes on a Kafka and a Redis of their own."""

from collections.abc import Iterator

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.replaying import replayed_stack


@pytest.fixture(scope="session")
def engine() -> Iterator[Stack]:
    """A running engine whose carrier lives twice as fast as a real one; its log must replay."""
    with replayed_stack(StackOptions(speed=2)) as stack:
        yield stack
