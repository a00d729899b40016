"""A gateway and a line to it, for each test."""

from collections.abc import AsyncIterator
from os import environ
from pathlib import Path

import pytest

from tests.integration.gateway.line import SPEED, Carrier, Line, Unique, a_line, simulator


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[Carrier]:
    if url := environ.get("ARI_URL"):
        records = environ.get("ARI_CALL_RECORDS")
        yield Carrier(
            url,
            environ.get("ARI_USERNAME", "dialer"),
            environ.get("ARI_PASSWORD", "dialer"),
            Path(records) if records else None,
        )
        return
    async with simulator(tmp_path, "--speed", SPEED) as simulated_carrier:
        yield simulated_carrier


@pytest.fixture
async def line(carrier: Carrier, unique: Unique) -> AsyncIterator[Line]:
    async with a_line(carrier, unique("dialer")) as line:
        yield line
