"""Child processes: started, awaited, killed, started again, and never left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
from campaignctl.supervision import ChildExited, ChildNotReady, Supervisor

SLEEPER = [sys.executable, "-S", "-c", "import time; time.sleep(600)"]
DEAF = [
    *(sys.executable, "-S", "-c"),
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True)"
    "; time.sleep(600)",
]
# A supervisor in a process of its own: tells its children's ids and folder, then waits.
PARENT = """
import subprocess, sys, time
from pathlib import Path
from campaignctl.supervision import Supervisor
with Supervisor(grace_s=0.5) as supervisor:
    log = supervisor.folder / "logs" / "deaf.log"
    supervisor.start("deaf", {deaf}, ready=lambda: "deaf" in log.read_text())
    supervisor.start("family", [sys.executable, "-S", "-c", {family}])
    family = supervisor.folder / "logs" / "family.log"
    while not family.read_text().endswith("\\n"):
        time.sleep(0.01)
    print(supervisor.folder, supervisor.pid("deaf"), supervisor.pid("family"), family.read_text(),
          flush=True)
    time.sleep(600)
"""
FAMILY = (
    "import subprocess, sys, time;"
    "print(subprocess.Popen([sys.executable, '-S', '-c', 'import time; time.sleep(600)']).pid,"
    " flush=True); time.sleep(600)"
)


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path) as supervisor:
        yield supervisor


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    program = PARENT.format(deaf=DEAF, family=repr(FAMILY))
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, process_group=0
    ) as process:
        yield process
        process.kill()


def lives(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def wait_until(holds: Callable[[], bool], within_s: float = 15.0) -> None:
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline, "the condition never held"
        time.sleep(0.02)


def test_start_returns_when_the_child_is_ready(supervisor: Supervisor, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    program = f"import pathlib, time; pathlib.Path({str(flag)!r}).touch(); time.sleep(600)"
    supervisor.start("child", [sys.executable, "-S", "-c", program], ready=flag.exists)
    assert flag.exists()
    assert supervisor.is_running("child")


def test_a_child_that_ends_before_it_is_ready_is_reported_with_its_last_words(
    supervisor: Supervisor,
) -> None:
    program = [sys.executable, "-S", "-c", "import sys; print('no such port'); sys.exit(3)"]
    with pytest.raises(ChildExited, match=r"child exited with code 3.*\nno such port"):
        supervisor.start("child", program, ready=lambda: False)


def test_a_child_that_is_not_ready_in_time_is_killed(supervisor: Supervisor) -> None:
    with pytest.raises(ChildNotReady, match=r"child was not ready within 0\.1 s"):
        supervisor.start("child", SLEEPER, ready=lambda: False, within_s=0.1)
    assert not supervisor.is_running("child")


def test_variables_come_on_top_of_our_own(supervisor: Supervisor) -> None:
    program = "import os; print(os.environ['FLAVOUR'], 'PATH' in os.environ)"
    said = supervisor.run("child", [sys.executable, "-S", "-c", program], env={"FLAVOUR": "mint"})
    assert said == "mint True\n"


def test_a_killed_child_starts_again_as_it_was_and_adds_to_its_log(
    supervisor: Supervisor, tmp_path: Path
) -> None:
    log = tmp_path / "logs" / "child.log"
    program = "import os, time; print(os.environ['FLAVOUR'], flush=True); time.sleep(600)"
    command = [sys.executable, "-S", "-c", program]
    starts = iter((1, 2))
    wanted = next(starts)
    supervisor.start(
        "child",
        command,
        env={"FLAVOUR": "mint"},
        ready=lambda: log.read_text().count("mint") == wanted,
    )
    first = supervisor.pid("child")
    supervisor.kill("child")
    assert not lives(first)
    wanted = next(starts)
    supervisor.restart("child")
    assert supervisor.pid("child") != first


def test_an_unexpected_exit_is_reported_once(supervisor: Supervisor) -> None:
    supervisor.start("child", SLEEPER)
    supervisor.check()
    os.kill(supervisor.pid("child"), signal.SIGKILL)
    wait_until(lambda: not supervisor.is_running("child"))
    with pytest.raises(ChildExited, match="child was killed by signal 9"):
        supervisor.check()
    supervisor.check()


def test_an_exit_that_was_asked_for_is_none_to_report(supervisor: Supervisor) -> None:
    supervisor.start("one", SLEEPER)
    supervisor.start("two", SLEEPER)
    supervisor.stop("one")
    supervisor.kill("two")
    supervisor.check()


def test_a_child_deaf_to_sigterm_is_killed_after_its_grace(
    tmp_path: Path,
) -> None:
    log = tmp_path / "logs" / "deaf.log"
    with Supervisor(tmp_path, grace_s=0.1) as supervisor:
        supervisor.start("deaf", DEAF, ready=lambda: "deaf" in log.read_text())
        supervisor.stop("deaf")
        assert not supervisor.is_running("deaf")


def test_the_last_started_is_stopped_first(tmp_path: Path) -> None:
    ends = tmp_path / "ends"
    program = (
        "import signal, sys, time\n"
        "def end(*_):\n"
        f"    open({str(ends)!r}, 'a').write(sys.argv[1])\n"
        "    sys.exit()\n"
        "signal.signal(signal.SIGTERM, end); print('set', flush=True); time.sleep(600)"
    )
    ends.touch()

    def is_set(name: str) -> bool:
        log = tmp_path / "logs" / f"{name}.log"
        return log.read_text().count("set") > ends.read_text().count(name)

    with Supervisor(tmp_path) as supervisor:
        for name in "abc":
            command = [sys.executable, "-S", "-c", program, name]
            supervisor.start(name, command, ready=partial(is_set, name))
        supervisor.restart("a")  # ends it once, and makes it the newest
    assert ends.read_text() == "aacb"


def test_a_temporary_folder_goes_and_a_given_one_stays(tmp_path: Path) -> None:
    with Supervisor() as temporary, Supervisor(tmp_path / "kept") as given:
        assert temporary.folder.exists()
    assert not temporary.folder.exists()
    assert given.folder.exists()


@pytest.mark.parametrize("blow", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_supervisor_that_was_struck_down(
    parent: subprocess.Popen[str], blow: signal.Signals
) -> None:
    """Also not a grandchild, nor a child that is deaf to SIGTERM."""
    assert parent.stdout is not None
    folder, *pids = parent.stdout.readline().split()
    assert len(pids) == 3
    assert all(lives(int(pid)) for pid in pids)
    parent.send_signal(blow)
    wait_until(lambda: not any(lives(int(pid)) for pid in pids))
    wait_until(lambda: not Path(folder).exists())
