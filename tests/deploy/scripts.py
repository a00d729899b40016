"""The scripts beside the Dockerfile, run as `make` runs them, and a docker that only pretends."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.deploy.dockerfile import ROOT

FOLDER = ROOT / "deploy" / "docker"
COPIED = (".env", "deploy/docker/Dockerfile")


def a_copy(folder: Path) -> Path:
    """Lay out what the scripts read and write, and return where it is."""
    for name in (*COPIED, *(f"deploy/docker/{path.name}" for path in FOLDER.glob("*.py"))):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, folder / name)
    return folder


def run(
    copy: Path, script: str, *words: str, docker: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a script of a copy; `docker` is what its docker does, in the language of the shell."""
    programs = copy / "programs"
    programs.mkdir(exist_ok=True)
    if docker is not None:
        (programs / "docker").write_text(f'#!/bin/sh\necho docker "$@" >> {copy}/asked\n{docker}\n')
        (programs / "docker").chmod(0o755)
    return subprocess.run(
        [sys.executable, str(copy / "deploy" / "docker" / script), *words],
        env={**os.environ, "PATH": f"{programs}:/usr/bin:/bin"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
