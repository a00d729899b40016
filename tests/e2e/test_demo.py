"""The command line as a whole: the demo proves itself, and `up` leaves nothing behind."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

CAMPAIGNCTL = (str(Path(sys.executable).with_name("campaignctl")),)
MARK = "CAMPAIGN_ENGINE_TEST"


class Terminal:
    """Runs `campaignctl`, and finds all that it has started by a mark in their environment."""

    def __init__(self, folder: Path) -> None:
        self._mark = uuid.uuid4().hex
        self._output = folder / "output"
        self._process: subprocess.Popen[bytes] | None = None

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        with self._output.open("wb") as output:
            self._process = subprocess.Popen(
                [*CAMPAIGNCTL, *arguments],
                env={**os.environ, MARK: self._mark, "COLUMNS": "200"},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self._process

    def said(self) -> str:
        return self._output.read_text(errors="replace")

    def wait_for(self, words: str, within_s: float = 90.0) -> None:
        deadline = time.monotonic() + within_s
        while words not in self.said():
            assert self._process is not None
            assert self._process.poll() is None, self.said()
            assert time.monotonic() < deadline, self.said()
            time.sleep(0.05)

    def processes(self) -> dict[int, str]:
        """Return the command lines of all living processes with our mark, by process id."""
        mark, found = f"{MARK}={self._mark}".encode(), {}
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_text().replace("\0", " ")
            except (FileNotFoundError, ProcessLookupError, PermissionError):
                continue
        return found

    def pid_of(self, module: str) -> int:
        (pid,) = (pid for pid, line in self.processes().items() if f"-m {module}" in line)
        return pid

    def close(self) -> None:
        for pid in self.processes():
            os.kill(pid, signal.SIGKILL)
        if self._process is not None:
            self._process.wait()


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


def test_the_demo_dials_everybody_and_agrees_with_the_journal(tmp_path: Path) -> None:
    ended = subprocess.run(
        [*CAMPAIGNCTL, "demo", "--json", "--targets", "100", "--speed", "20"],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    told = json.loads(ended.stdout)
    assert told["differences"] == []
    assert told["verdicts"]["verdict"] == "ok"
    assert set(told["verdicts"]["promises"].values()) == {"ok"}
    assert (told["targets"], told["done"]) == (100, 100)
    assert (told["answered"], told["exhausted"]) == (70, 30)
    assert (told["answered_calls"], told["repeated_originations"]) == (70, told["retries"])
    assert told["attempts"] == told["originations"] == 100 + told["retries"]
    journal = [json.loads(line) for line in Path(told["journal"]).read_text().splitlines()]
    assert len({line["channel_id"] for line in journal}) == len(journal) == told["attempts"]
    assert (Path(told["logs"]) / "dialer.log").is_file()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
@pytest.mark.parametrize(
    ("blow", "code"),
    [
        pytest.param(signal.SIGINT, 0, id="ctrl-C"),
        pytest.param(signal.SIGTERM, 0, id="SIGTERM", marks=pytest.mark.faults),
        pytest.param(signal.SIGKILL, -signal.SIGKILL, id="kill -9"),
    ],
)
def test_up_leaves_no_process_behind(terminal: Terminal, blow: signal.Signals, code: int) -> None:
    process = terminal.begin("up", "--api-port", "0")
    terminal.wait_for("The engine runs")
    assert len(terminal.processes()) >= 6  # itself, its guardian and the four programs
    process.send_signal(blow)
    assert process.wait(60) == code, terminal.said()
    deadline = time.monotonic() + 30
    while left := terminal.processes():
        assert time.monotonic() < deadline, left
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_up_ends_with_an_error_when_a_program_dies(terminal: Terminal) -> None:
    process = terminal.begin("up", "--api-port", "0")
    terminal.wait_for("The engine runs")
    os.kill(terminal.pid_of("dialer"), signal.SIGKILL)
    assert process.wait(60) == 1
    assert "dialer was killed by signal 9; the end of its log:" in terminal.said()
    assert terminal.processes() == {}


def test_a_command_without_an_engine_says_how_to_start_one() -> None:
    ended = subprocess.run(
        [*CAMPAIGNCTL, "watch", "some-campaign", "--api-url", "http://127.0.0.1:1"],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 1
    assert "Start the engine with `campaignctl up`" in ended.stderr
    assert "Traceback" not in ended.stderr
