"""What the tests of the deployment share."""

import pytest

from tests.deploy.dockerfile import Dockerfile, read
from tests.deploy.promtool import Promtool, find_promtool


@pytest.fixture(scope="session")
def promtool() -> Promtool:
    return Promtool(find_promtool())


@pytest.fixture(scope="session")
def dockerfile() -> Dockerfile:
    return read()
