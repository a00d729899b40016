"""R10: the network tells late, twice, in the wrong order, nothing at all, or asks for a pause."""

import random
from collections.abc import Callable

import pytest

from tests.faults.campaign import Campaign
from tests.faults.conftest import Lined

MISBEHAVIOURS = ("942", "943", "944", "945", "946", "981")
pytestmark = pytest.mark.timeout(400)


def test_whatever_way_the_network_tells_its_events_the_ledgers_agree(
    campaign: Callable[..., Campaign], lined: Lined, seed: int
) -> None:
    """The seed shuffles which number misbehaves how."""
    endings = random.Random(seed).choices((*MISBEHAVIOURS, "960", "961"), k=60)
    one = campaign(lined.stack, 60, endings=tuple(endings))
    one.start()
    one.await_end(120)
    one.verify()
