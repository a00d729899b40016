"""Prometheus' own tool, from the Debian package: taken out of it, nothing is installed."""

import shutil
import subprocess
from pathlib import Path

from campaignctl.infrastructure.kafka_jars import cache_folder

PACKAGE = "prometheus"


class Promtool:
    """The program."""

    def __init__(self, path: str) -> None:
        self._path = path

    def run(self, *words: str) -> str:
        """Run it and return what it says.

        Raises:
            subprocess.CalledProcessError: It found something wrong.
        """
        done = subprocess.run([self._path, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            print(done.stdout, done.stderr)  # noqa: T201 - pytest shows it
            done.check_returncode()
        return done.stdout


def find_promtool() -> str:
    """Return where promtool is; it is fetched if it is not there."""
    if found := shutil.which("promtool"):
        return found
    folder = cache_folder() / "debian" / PACKAGE
    program = folder / "usr" / "bin" / "promtool"
    if not program.is_file():
        fetch(folder)
    return str(program)


def fetch(folder: Path) -> None:
    """Take a Debian package apart in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    _quietly(["apt-get", "download", PACKAGE], folder) or _quietly(["apt-get", "update"], folder)
    if not list(folder.glob("*.deb")):
        _quietly(["apt-get", "download", PACKAGE], folder)
    (package,) = folder.glob("*.deb")
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    package.unlink()


def _quietly(command: list[str], folder: Path) -> bool:
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode == 0
