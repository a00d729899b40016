"""One child process: its recipe, its readiness, its end, its last words."""

import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from os import environ
from pathlib import Path

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


class Child:
    """A child process from its start to its end; it joins the group before it begins.

    Attributes:
        is_wanted: Nobody has asked it to end yet.
    """

    def __init__(self, recipe: Recipe, group: int) -> None:
        self.recipe = recipe
        self.is_wanted = True
        with recipe.log.open("ab") as log:
            self._log_start = log.tell()
            self.process = subprocess.Popen(
                recipe.command,
                env={**environ, **recipe.env},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                process_group=group,
            )

    def await_ready(self) -> None:
        """Return when the child is ready.

        Raises:
            ChildExited: It ended before.
            ChildNotReady: It was not ready in time; it has been killed.
        """
        name, within_s, ready = self.recipe.name, self.recipe.within_s, self.recipe.ready
        deadline = time.monotonic() + within_s
        while ready is not None and not ready():
            if (code := self.process.poll()) is not None:
                self.is_wanted = False
                raise ChildExited(name, code, self.tail())
            if time.monotonic() > deadline:
                self.kill()
                raise ChildNotReady(name, within_s, self.tail())
            time.sleep(POLL_S)

    def stop(self, grace_s: float) -> None:
        """End it: SIGTERM, and SIGKILL when it is still there after the grace period."""
        self.is_wanted = False
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(grace_s)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()

    def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        self.is_wanted = False
        self.process.kill()
        self.process.wait()

    def said(self) -> str:
        """Return all that it wrote in this run."""
        return self.recipe.log.read_bytes()[self._log_start :].decode(errors="replace")

    def tail(self) -> str:
        """Return the last lines that it wrote in this run."""
        return "\n".join(self.said().splitlines()[-TAIL_LINES:])
