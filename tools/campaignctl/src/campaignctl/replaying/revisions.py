"""A replay through the code of another revision, in an environment of its own.

The revision's sources are laid out in a temporary folder. If it locks other versions of its
libraries than we have, it gets a virtual environment with those.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from campaignctl.errors import CannotGoOn
from campaignctl.history import Range, read
from campaignctl.log import header, open_text, write_line
from campaignctl.screen import a_console

SOURCES = ("libs/*/src", "services/*/src", "tools/*/src")
LOCK = "requirements.lock"
ANSWERS = (0, 1, 2)


def replayed_by(revision: str, which: Range) -> dict[str, Any]:
    """Return what a replay by the code of a revision finds: what `replay --all --json` prints.

    Args:
        revision: A commit, branch or tag of the repository that we run from.
        which: The log.

    Raises:
        CannotGoOn: There is no such revision, or its code cannot replay.
    """
    repository = _repository()
    with tempfile.TemporaryDirectory(prefix="campaignctl-code-") as folder:
        code, log = Path(folder) / "code", Path(folder) / "log.gz"
        _lay_out(repository, revision, code)
        with open_text(log, "w") as file:
            file.write(header(what="for a replay"))
            for record in read(which):
                write_line(file, record)
        python = _python(repository, code, Path(folder))
        paths = [str(path) for pattern in SOURCES for path in sorted(code.glob(pattern))]
        command = [python, "-m", "campaignctl", "replay", "--log", str(log), "--all", "--json"]
        done = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
            capture_output=True,
            text=True,
            check=False,
        )
        lines = done.stdout.splitlines()
        if done.returncode not in ANSWERS or not lines:
            last = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["it said nothing"]
            raise CannotGoOn(f"the code of {revision} cannot replay: {last[0]}")
        told: dict[str, Any] = json.loads(lines[-1])
        return told


def _repository() -> Path:
    here = Path(__file__).resolve().parent
    found = _git(here, "rev-parse", "--show-toplevel")
    if found.returncode:
        raise CannotGoOn("--code works in a clone of the repository only: this is none")
    return Path(found.stdout.decode().strip())


def _lay_out(repository: Path, revision: str, folder: Path) -> None:
    archive = _git(repository, "archive", "--format=tar", revision)
    if archive.returncode:
        raise CannotGoOn(f"git knows no revision {revision}")
    folder.mkdir()
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)


def _git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, check=False)


def _python(repository: Path, code: Path, folder: Path) -> str:
    """Return the interpreter to use: ours, if the revision locks the same libraries."""
    lock = code / LOCK
    if lock.read_bytes() == (repository / LOCK).read_bytes():
        return sys.executable
    console = a_console(to_stderr=True)
    console.print("installing the libraries that the revision locks ...")
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True)
    python = str(folder / "venv" / "bin" / "python")
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
        check=False,
    )
    if installed.returncode:
        raise CannotGoOn("the libraries that the revision locks cannot be installed")
    return python
