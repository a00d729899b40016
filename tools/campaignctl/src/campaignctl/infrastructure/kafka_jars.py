"""Apache Kafka's jars: resolved once by Maven, kept whole in the user's cache folder."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from campaignctl.infrastructure.programs import require_program
from campaignctl.infrastructure.provider import Announce, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady, Supervisor

POM = Path("deploy/local/pom.xml")
DOWNLOAD_TRIES = 2


def cache_folder() -> Path:
    """Return where downloads are kept: `campaign-engine` in the user's cache folder."""
    root = os.environ.get("XDG_CACHE_HOME")
    return (Path(root) if root else Path.home() / ".cache") / "campaign-engine"


def pinned_version(pom: Path) -> str:
    """Return the version of Kafka that the file pins."""
    spaces = {"m": "http://maven.apache.org/POM/4.0.0"}
    version = ElementTree.parse(pom).findtext("m:properties/m:kafka.version", None, spaces)  # noqa: S314  our own file
    if version is None:
        raise Unavailable(f"{pom} pins no kafka.version")
    return version


def find_pom() -> Path:
    """Return the pinned pom of the working copy that this program runs from.

    Raises:
        Unavailable: It does not run from a working copy.
    """
    for folder in Path(__file__).resolve().parents:
        if (folder / POM).is_file():
            return folder / POM
    raise Unavailable(f"{POM} is missing: this program does not run from a working copy")


def require_jars(supervisor: Supervisor, announce: Announce) -> tuple[Path, str]:
    """Return the folder of Kafka's jars, downloaded if needed, and Kafka's version.

    A folder is only ever seen whole: it is filled under another name and then renamed. Whoever
    else wants it meanwhile waits at a lock that dies with its holder.

    Raises:
        Unavailable: Maven is missing, or the download failed.
    """
    pom = find_pom()
    version = pinned_version(pom)
    whole = cache_folder() / f"kafka-{version}"
    whole.parent.mkdir(parents=True, exist_ok=True)
    with (whole.parent / f"{whole.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not _is_of(whole, pom):
            announce(f"Downloading Apache Kafka {version} (43 MB, once) to {whole} ...")
            _download(pom, whole, supervisor, announce)
    return whole / "lib", version


def _is_of(whole: Path, pom: Path) -> bool:
    kept = whole / "pom.xml"
    return kept.is_file() and kept.read_bytes() == pom.read_bytes()


def _download(pom: Path, whole: Path, supervisor: Supervisor, announce: Announce) -> None:
    maven = require_program("mvn", supervisor, announce)
    for leftover in whole.parent.glob(f"{whole.name}.part-*"):
        shutil.rmtree(leftover, ignore_errors=True)
    # A name of its own: an interrupted Maven may still write to the folder that it was given.
    part = Path(tempfile.mkdtemp(prefix=f"{whole.name}.part-", dir=whole.parent))
    command = [
        *(maven, "--batch-mode", "--file", str(pom), "dependency:copy-dependencies"),
        f"-DoutputDirectory={part / 'lib'}",
    ]

    def tell(log: Path) -> None:
        announce(f"  {log.read_bytes().count(b'Downloaded from')} files so far")

    for tries_left in reversed(range(DOWNLOAD_TRIES)):
        try:
            supervisor.run("maven", command, within_s=600, meanwhile=tell)
            break
        except (ChildExited, ChildNotReady) as error:
            shutil.rmtree(part / "lib", ignore_errors=True)
            if not tries_left:
                part.rmdir()
                raise Unavailable(f"Kafka could not be downloaded: {error}") from error
    shutil.copy(pom, part / "pom.xml")
    shutil.rmtree(whole, ignore_errors=True)
    part.rename(whole)
