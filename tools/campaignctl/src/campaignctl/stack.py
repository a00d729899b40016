"""The whole engine on this machine: Kafka, Redis, a simulated network and the three services.

`running_stack` is the one way to have it: `up`, `demo`, the end-to-end tests and the benchmark use
it alike. Everything is a child of one supervisor, so nothing is left behind, however it ends.
"""

import asyncio
import csv
import json
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from campaignctl.errors import CannotGoOn
from campaignctl.infrastructure import (
    Found,
    Infrastructure,
    Unavailable,
    infrastructure,
    require_program,
)
from campaignctl.infrastructure.ground import print_line
from campaignctl.infrastructure.kafka_jars import cache_folder
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.provider import Announce
from campaignctl.programs import HOST, Places, Program, programs_at
from campaignctl.rebuilding import is_lost, rebuild
from campaignctl.supervision import Supervisor

READY_WITHIN_S = 60.0
POLL_S = 0.05
TAIL_LINES = 20
ESPEAK = "espeak-ng"
CALL_RECORDS = "call-records.csv"
DISPOSITION = 7
"""Its column in the call records, as in Asterisk's cdr_custom."""
USERNAME = "admin@example.com"
PASSWORD = "campaign-engine"  # noqa: S105  of an engine that listens on loopback alone


@dataclass(frozen=True, kw_only=True)
class StackOptions:
    """How the engine is to run.

    Attributes:
        data: Where state, logs and journal stay for the next run; None: they go at the end.
        records: Where logs, journal and call records are copied at the end; None: nowhere.
        speed: How many seconds of the simulated network pass in one of ours.
        seed: Decides what numbers do that the simulator's table does not name.
        dialers: How many of them; the first is `dialer`, the others `dialer-2` and so on.
        api_port: Where the REST API listens; 0: on any free port.
        carrier_port: Where the simulated network listens; 0: on any free port.
        kafka: A provider's name, or "auto".
        redis: A provider's name, or "auto".
        settings: Further environment variables for the services.
        own_settings: Further ones for a single program, by its name.
    """

    data: Path | None = None
    records: Path | None = None
    speed: float = 1.0
    seed: int = 1
    dialers: int = 1
    api_port: int = 0
    carrier_port: int = 0
    kafka: str = "auto"
    redis: str = "auto"
    username: str = USERNAME
    password: str = PASSWORD
    settings: Mapping[str, str] = field(default_factory=dict)
    own_settings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


class Stack:
    """The running engine.

    Attributes:
        api_url: Root of the REST API, without `/v1.0`.
        journal: The simulated network's own record of every origination, JSON lines.
        children: The supervisor of all processes, for their pids.
    """

    def __init__(self, found: Infrastructure, places: Places, options: StackOptions) -> None:
        self.kafka: Found = found.kafka
        self.redis: Found = found.redis
        self.kafka_bootstrap = found.kafka_bootstrap
        self.redis_url = found.redis_url
        self.children: Supervisor = found.supervisor
        self.logs: Path = found.supervisor.folder / "logs"
        self.api_url = f"http://{HOST}:{places.api_port}"
        self.username, self.password = places.username, places.password
        self.journal, self.call_records = places.journal, places.call_records
        self.programs: dict[str, Program] = {
            program.name: program for program in programs_at(places)
        }
        self._options = options
        self._begun: list[str] = []

    def start(self, announce: Announce) -> None:
        """Start all programs at once and return when all are ready.

        Raises:
            ChildExited: One ended before it was ready.
            CannotGoOn: One was not ready in time.
        """
        for program in self.programs.values():
            own = self._options.own_settings.get(program.name, {})
            env = {**program.env, **self._options.settings, **own}
            self.children.start(program.name, program.command, env=env)
            self._begun.append(program.name)
        self.await_ready(tuple(self.programs), announce)

    def await_ready(self, names: Sequence[str], announce: Announce = lambda _: None) -> None:
        """Return when these programs are ready; each is announced.

        Raises:
            ChildExited: One of all ended before.
            CannotGoOn: One was not ready in time.
        """
        began = time.monotonic()
        waiting = list(names)
        while waiting:
            self.check()
            for name in [name for name in waiting if not self.not_ready(name)]:
                waiting.remove(name)
                announce(f"{name}: ready after {time.monotonic() - began:.1f} s")
            if waiting and time.monotonic() - began > READY_WITHIN_S:
                raise CannotGoOn(self._lateness(waiting[0]))
            time.sleep(POLL_S)

    def not_ready(self, name: str) -> str:
        """Return what a program still waits for, "" when it is ready."""
        program = self.programs[name]
        if not program.has_probes:
            return "" if is_open(program.port) else "its port is not open"
        try:
            answer = httpx.get(f"http://{HOST}:{program.port}/readyz", timeout=2.0, trust_env=False)
        except httpx.TransportError as error:
            return f"no answer on /readyz ({type(error).__name__})"
        return "" if answer.is_success else answer.text

    def check(self) -> None:
        """Return if everything that should run does.

        Raises:
            ChildExited: A process ended unasked.
        """
        self.children.check()

    def kill(self, name: str) -> None:
        """End a program by SIGKILL, as a crash would."""
        self.children.kill(name)

    def restart(self, name: str) -> None:
        """Start a program again where it was, and return when it is ready."""
        self.children.restart(name)
        self.await_ready([name])

    def stop(self) -> None:
        """End the programs, the dialer first: whoever calls must stop before who answers."""
        while self._begun:
            self.children.stop(self._begun.pop())

    def keep(self, folder: Path) -> None:
        """Copy logs, journal and call records to a folder that outlives the engine."""
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copytree(self.logs, folder / "logs", dirs_exist_ok=True)
        for file in (self.journal, self.call_records):
            if file.is_file():
                shutil.copy2(file, folder)

    def journal_lines(self, offset: int = 0) -> list[dict[str, Any]]:
        """Return the originations that the journal has from this byte on."""
        return journal_lines(self.journal, offset)

    def log_tail(self, name: str) -> str:
        """Return the last lines that a program wrote."""
        log = self.logs / f"{name}.log"
        lines = log.read_text(errors="replace").splitlines() if log.is_file() else []
        return "\n".join(lines[-TAIL_LINES:])

    def _lateness(self, name: str) -> str:
        return (
            f"{name} was not ready within {READY_WITHIN_S:g} s; it waits for: "
            f"{self.not_ready(name)}\nThe end of its log:\n{self.log_tail(name)}"
        )


@contextmanager
def running_stack(options: StackOptions, *, announce: Announce = print_line) -> Iterator[Stack]:
    """Have the whole engine for the time of the block.

    Raises:
        InfrastructureUnavailable: Kafka or Redis cannot be had as asked for.
        ChildExited: A program ended while it started.
        CannotGoOn: A program was not ready in time, or the API's port is taken.
    """
    if options.api_port and is_open(options.api_port):
        raise CannotGoOn(
            f"Something listens on port {options.api_port} already. End it, or choose another "
            "port with --api-port (0: any free one)."
        )
    with infrastructure(
        kafka=options.kafka, redis=options.redis, announce=announce, data_folder=options.data
    ) as found:
        espeak = _speech_program(found.supervisor, announce)
        stack = Stack(found, _places(found, options, espeak), options)
        try:
            _hold_state(found, announce)
            stack.start(announce)
            yield stack
        finally:
            announce("Ending: the dialer first, Kafka last ...")
            stack.stop()
            if options.records is not None:
                stack.keep(options.records)


def journal_lines(journal: Path, offset: int = 0) -> list[dict[str, Any]]:
    """Return the originations of a journal from this byte on; half a last line is left out."""
    if not journal.is_file():
        return []
    with journal.open("rb") as lines:
        lines.seek(offset)
        return [json.loads(line) for line in lines if line.endswith(b"\n")]


def answered_calls(call_records: Path) -> frozenset[str]:
    """Return the channels that the network's call records tell as answered."""
    with call_records.open(newline="") as rows:
        return frozenset(row[0] for row in csv.reader(rows) if row[DISPOSITION] == "ANSWERED")


def is_open(port: int) -> bool:
    """Say whether something listens on this port of loopback."""
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex((HOST, port)) == 0


def _hold_state(found: Infrastructure, announce: Announce) -> None:
    """Let Redis hold what Kafka tells, before anybody works with it."""
    bootstrap, redis_url = found.kafka_bootstrap, found.redis_url
    why = asyncio.run(is_lost(bootstrap, redis_url))
    if why:
        announce("Redis has been restarted, or is new: rebuilding it from Kafka ...")
        rebuilt = asyncio.run(rebuild(bootstrap, redis_url, relays_rest_s=0.0))
        announce(f"Redis: {rebuilt.records} commands from {rebuilt.messages} messages")


def _speech_program(supervisor: Supervisor, announce: Announce) -> str:
    try:
        return require_program(ESPEAK, supervisor, announce)
    except Unavailable as why:
        announce(f"Speech: none, a talk will be silent: {why}")
        return ESPEAK


def _places(found: Infrastructure, options: StackOptions, espeak: str) -> Places:
    folder = found.supervisor.folder
    return Places(
        kafka_bootstrap=found.kafka_bootstrap,
        redis_url=found.redis_url,
        carrier_port=options.carrier_port or free_port(),
        api_port=options.api_port or free_port(),
        flow_runner_port=free_port(),
        dialer_ports=tuple(free_port() for _ in range(options.dialers)),
        journal=folder / "journal.jsonl",
        call_records=folder / CALL_RECORDS,
        speech_folder=cache_folder() / "speech",
        espeak=espeak,
        speed=options.speed,
        seed=options.seed,
        username=options.username,
        password=options.password,
        jwt_secret=secrets.token_urlsafe(32),
    )
