"""One secured Kafka and Redis for the tests of this folder."""

from collections.abc import Iterator
from typing import Protocol

import pytest
from campaignctl.infrastructure import Ground

from tests.secured.ground import Secured, secured_ground


class Session(Protocol):
    @property
    def ground(self) -> Ground: ...


@pytest.fixture(scope="session")
def secured(stack: Session, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    with secured_ground(stack.ground, tmp_path_factory.mktemp("secured")) as there:
        yield there
