"""A story silences the log; what comes after it hears again."""

from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)
