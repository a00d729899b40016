"""A line to the gateway: the simulated network's, or that of a real Asterisk.

With ARI_URL (and ARI_USERNAME, ARI_PASSWORD, ARI_CALL_RECORDS) it is an Asterisk whose trunk leads
to a callee that knows the same numbers.
"""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from os import environ
from pathlib import Path
from typing import TypeVar, cast

import httpx
import pytest
from dialer.adapters.ari import AriGateway
from dialer.domain.signals import Answered, CallSignal
from dialer.ports import Origination

Unique = Callable[[str], str]
S = TypeVar("S", bound=CallSignal)

WITHIN_S = 40.0
SPEED = "10"
"""Of the simulator; Asterisk takes its time."""

ANSWERS = "155570000"
ANSWERS_AND_HANGS_UP = "155570001"
RINGS_A_SECOND = "155570100"
RINGS_FOR_EVER = "155500180"
NEVER_REPLIES = "155500000"

simulated = pytest.mark.skipif("ARI_URL" in environ, reason="needs the simulator's own means")


@dataclass
class Carrier:
    url: str
    username: str = "dialer"
    password: str = "dialer"
    call_records: Path | None = None
    program: Process | None = None


class Line:
    """A gateway, and all that it has told."""

    def __init__(self, carrier: Carrier, application: str) -> None:
        self.heard: list[CallSignal] = []
        self.connections: list[bool] = []
        self.carrier = carrier
        self.gateway = AriGateway(
            url=carrier.url,
            username=carrier.username,
            password=carrier.password,
            application=application,
            call_records=carrier.call_records,
            on_signal=self.heard.append,
            on_connection=self.connections.append,
        )

    def of(self, channel_id: str, kind: type[S]) -> list[S]:
        return [s for s in self.heard if s.channel_id == channel_id and isinstance(s, kind)]

    async def hears(self, channel_id: str, kind: type[S]) -> S:
        await until(lambda: bool(self.of(channel_id, kind)))
        return self.of(channel_id, kind)[0]

    async def answered(self, channel_id: str, number: str = ANSWERS) -> None:
        await self.gateway.originate(an_origination(channel_id, number))
        await self.hears(channel_id, Answered)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.005)


def an_origination(channel_id: str, number: str, *, ring_s: float = 20.0) -> Origination:
    return Origination(
        channel_id=channel_id,
        address=number,
        kind="tel",
        caller_id="15550001000",
        ring_timeout=timedelta(seconds=ring_s),
        absolute_timeout=timedelta(seconds=600),
    )


@asynccontextmanager
async def simulator(folder: Path, *options: str, port: str = "0") -> AsyncIterator[Carrier]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "carrier_simulator", "--port", port,
        "--journal", str(folder / "journal.jsonl"), "--call-records", str(folder / "calls.csv"),
        *options, stdout=PIPE,
    )  # fmt: skip
    try:
        said = (await cast("asyncio.StreamReader", program.stdout).readline()).decode()
        address = said.removeprefix("listening on ").strip()
        assert address, "the simulator did not start"
        yield Carrier(f"http://{address}/ari", call_records=folder / "calls.csv", program=program)
    finally:
        if program.returncode is None:
            program.terminate()
        await program.communicate()


@asynccontextmanager
async def a_line(carrier: Carrier, application: str) -> AsyncIterator[Line]:
    line = Line(carrier, application)
    running = asyncio.create_task(line.gateway.run())
    try:
        await until(lambda: line.gateway.is_connected)
        yield line
    finally:
        await line.gateway.aclose()
        await running


def speed_of(line: Line) -> float:
    return 1.0 if line.carrier.program is None else float(SPEED)


async def asked(line: Line, path: str) -> httpx.Response:
    """Ask by the other door: plain HTTP."""
    carrier = line.carrier
    auth = (carrier.username, carrier.password)
    async with httpx.AsyncClient(auth=auth, trust_env=False) as http:
        return await http.get(f"{carrier.url}/{path}")
