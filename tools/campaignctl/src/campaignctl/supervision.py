"""Child processes with names: started, awaited, watched, stopped, and never left behind.

Every child joins the process group of one guardian before it begins (see `campaignctl.guardian`),
so nothing survives even a kill -9 of this process; ctrl-C reaches this process alone, which then
stops its children in the reverse of the order in which they began. Each child writes one log file.
"""

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from os import environ
from pathlib import Path
from types import TracebackType
from typing import Self

from campaignctl import guardian

POLL_S = 0.02
TAIL_LINES = 20


class ChildExited(Exception):
    """A child process ended though nobody had asked it to."""

    def __init__(self, name: str, code: int, tail: str) -> None:
        """Keep the exit code (negative: the signal that killed it) and the last lines it wrote."""
        ending = f"was killed by signal {-code}" if code < 0 else f"exited with code {code}"
        super().__init__(f"{name} {ending}; the end of its log:\n{tail or '(it wrote nothing)'}")
        self.name, self.code, self.tail = name, code, tail


class ChildNotReady(Exception):
    """A child process runs but was not ready in time."""

    def __init__(self, name: str, within_s: float, tail: str) -> None:
        """Keep the last lines that the child wrote."""
        super().__init__(
            f"{name} was not ready within {within_s:g} s; the end of its log:\n"
            f"{tail or '(it wrote nothing)'}"
        )
        self.name, self.tail = name, tail


@dataclass(frozen=True)
class Recipe:
    """How a child is started, so that it can be started again in the same way."""

    name: str
    command: tuple[str, ...]
    env: Mapping[str, str]
    ready: Callable[[], bool] | None
    within_s: float
    log: Path


@dataclass
class _Child:
    recipe: Recipe
    process: subprocess.Popen[bytes]
    log_start: int
    is_wanted: bool = True

    def tail(self) -> str:
        """Return the last lines of this run's log."""
        with self.recipe.log.open("rb") as log:
            log.seek(self.log_start)
            return "\n".join(log.read().decode(errors="replace").splitlines()[-TAIL_LINES:])


class Supervisor:
    """Starts child processes and answers for their end; a context manager.

    Args:
        folder: Where the logs go (`folder/logs/NAME.log`). None: a temporary folder, which is
            removed at the end, also after a kill -9 of this process.
        grace_s: How long a child has between SIGTERM and SIGKILL, in seconds.
        held_open: File descriptors that must stay open until the last child has ended.
    """

    def __init__(
        self, folder: Path | None = None, *, grace_s: float = 10.0, held_open: Sequence[int] = ()
    ) -> None:
        self._grace_s = grace_s
        self._temporary = folder is None
        self.folder = folder or Path(tempfile.mkdtemp(prefix="campaign-engine-"))
        (self.folder / "logs").mkdir(parents=True, exist_ok=True)
        self._children: dict[str, _Child] = {}
        self._guardian = subprocess.Popen(
            [sys.executable, "-I", "-S", guardian.__file__, str(grace_s)]
            + ([str(self.folder)] if self._temporary else []),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=0,
            pass_fds=held_open,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        ready: Callable[[], bool] | None = None,
        within_s: float = 30.0,
    ) -> None:
        """Start a child and return when it is ready.

        Args:
            name: Its name here and of its log file; free again once the child was stopped.
            command: Program and arguments; standard input is empty.
            env: Variables on top of this process's own.
            ready: Asked again and again until it says yes; None: ready at once.
            within_s: How long it may take to become ready, in seconds.

        Raises:
            ChildExited: It ended before it was ready.
            ChildNotReady: It was not ready in time; it has been killed.
        """
        if name in self._children and self.is_running(name):
            raise ValueError(f"{name} runs already")
        log = self.folder / "logs" / f"{name}.log"
        self._launch(Recipe(name, tuple(command), env or {}, ready, within_s, log))

    def run(
        self,
        name: str,
        command: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        within_s: float = 60.0,
        meanwhile: Callable[[Path], None] | None = None,
    ) -> str:
        """Run a child to its end and return what it wrote.

        Args:
            name: Its name here and of its log file.
            command: Program and arguments; standard input is empty.
            env: Variables on top of this process's own.
            within_s: How long it may take, in seconds.
            meanwhile: Called with the log's path about every two seconds while the child runs.

        Raises:
            ChildExited: It ended with another code than zero.
            ChildNotReady: It had not ended in time; it has been killed.
        """
        self.start(name, command, env=env)
        child, began, told = self._children[name], time.monotonic(), time.monotonic()
        while (code := child.process.poll()) is None:
            if time.monotonic() - began > within_s:
                self.kill(name)
                raise ChildNotReady(name, within_s, child.tail())
            if meanwhile is not None and time.monotonic() - told >= 2:
                told = time.monotonic()
                meanwhile(child.recipe.log)
            time.sleep(POLL_S)
        child.is_wanted = False
        if code:
            raise ChildExited(name, code, child.tail())
        return child.recipe.log.read_bytes()[child.log_start :].decode(errors="replace")

    def stop(self, name: str) -> None:
        """End a child: SIGTERM, and SIGKILL when it is still there after the grace period."""
        child = self._children[name]
        child.is_wanted = False
        if child.process.poll() is None:
            child.process.terminate()
            try:
                child.process.wait(self._grace_s)
            except subprocess.TimeoutExpired:
                child.process.kill()
        child.process.wait()

    def kill(self, name: str) -> None:
        """End a child by SIGKILL, as a crash would."""
        child = self._children[name]
        child.is_wanted = False
        child.process.kill()
        child.process.wait()

    def restart(self, name: str) -> None:
        """Start a child again as it was started first; stop it before, if it runs.

        Raises:
            ChildExited: It ended before it was ready.
            ChildNotReady: It was not ready in time; it has been killed.
        """
        self.stop(name)
        self._launch(self._children.pop(name).recipe)

    def is_running(self, name: str) -> bool:
        """Say whether the child lives."""
        return self._children[name].process.poll() is None

    def pid(self, name: str) -> int:
        """Return the process id of a child."""
        return self._children[name].process.pid

    def check(self) -> None:
        """Return if every child that should run does.

        Raises:
            ChildExited: One ended unasked; each such end is reported once.
        """
        for child in self._children.values():
            if child.is_wanted and (code := child.process.poll()) is not None:
                child.is_wanted = False
                raise ChildExited(child.recipe.name, code, child.tail())

    def close(self) -> None:
        """Stop every child, the last started first, and remove what was temporary."""
        for name in reversed(list(self._children)):
            self.stop(name)
        pipe = self._guardian.stdin
        if pipe is not None and not pipe.closed:
            with suppress(BrokenPipeError):
                pipe.write(b".")
                pipe.close()
        self._guardian.wait()
        if self._temporary:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _launch(self, recipe: Recipe) -> None:
        with recipe.log.open("ab") as log:
            child = _Child(
                recipe,
                subprocess.Popen(
                    recipe.command,
                    env={**environ, **recipe.env},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    process_group=self._guardian.pid,
                ),
                log_start=log.tell(),
            )
        self._children.pop(recipe.name, None)  # its place in the order of stopping is the newest
        self._children[recipe.name] = child
        self._await_ready(child)

    def _await_ready(self, child: _Child) -> None:
        recipe = child.recipe
        deadline = time.monotonic() + recipe.within_s
        while recipe.ready is not None and not recipe.ready():
            if (code := child.process.poll()) is not None:
                child.is_wanted = False
                raise ChildExited(recipe.name, code, child.tail())
            if time.monotonic() > deadline:
                self.kill(recipe.name)
                raise ChildNotReady(recipe.name, recipe.within_s, child.tail())
            time.sleep(POLL_S)
