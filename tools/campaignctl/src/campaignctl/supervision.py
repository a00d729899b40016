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
from pathlib import Path
from types import TracebackType
from typing import Self

from campaignctl import guardian
from campaignctl.child import POLL_S, Child, ChildExited, ChildNotReady, Recipe

TELL_EVERY_S = 2.0

__all__ = ["ChildExited", "ChildNotReady", "Supervisor"]


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
        self._children: dict[str, Child] = {}
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
        child, began = self._children[name], time.monotonic()
        told = began
        while child.process.poll() is None:
            if time.monotonic() - began > within_s:
                child.kill()
                raise ChildNotReady(name, within_s, child.tail())
            if meanwhile is not None and time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                meanwhile(child.recipe.log)
            time.sleep(POLL_S)
        child.is_wanted = False
        if code := child.process.returncode:
            raise ChildExited(name, code, child.tail())
        return child.said()

    def stop(self, name: str) -> None:
        """End a child: SIGTERM, and SIGKILL when it is still there after the grace period."""
        self._children[name].stop(self._grace_s)

    def kill(self, name: str) -> None:
        """End a child by SIGKILL, as a crash would."""
        self._children[name].kill()

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
        for child in tuple(self._children.values()):  # another thread may start one meanwhile
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
        child = Child(recipe, self._guardian.pid)
        self._children.pop(recipe.name, None)  # its place in the order of stopping is the newest
        self._children[recipe.name] = child
        child.await_ready()
