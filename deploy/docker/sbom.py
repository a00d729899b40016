"""What each image holds of Python, as CycloneDX: one file per image in dist/sbom.

Made from the lock of the image, for the Python and the system of the image: what a lock names for
other systems is left out. Our own packages are in it by name. What the base image brings is not:
`docker buildx build --sbom=true` tells that.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

from packaging.markers import Marker
from references import ROOT

FOLDER = ROOT / "deploy" / "docker"
TARGET = ROOT / "dist" / "sbom"
IMAGES = {
    "campaign-manager": "services/campaign-manager",
    "dialer": "services/dialer",
    "flow-runner": "services/flow-runner",
    "campaignctl": "tools/campaignctl",
}
PREFIX = "campaign-engine-"
SYSTEM = {
    "python_version": "3.13",
    "python_full_version": "3.13.14",
    "implementation_name": "cpython",
    "platform_python_implementation": "CPython",
    "os_name": "posix",
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
}
ENTRY = re.compile(r"^(?P<pin>[\w.-]+==[^\s;]+)(?: ; (?P<marker>.+?))?(?: \\)?$")


def main() -> int:
    """Write all; return the exit status."""
    TARGET.mkdir(parents=True, exist_ok=True)
    for image in IMAGES:
        path = TARGET / f"{image}.cdx.json"
        write(image, path)
        print(path.relative_to(ROOT))
    return 0


def write(image: str, path: Path) -> None:
    """Write what an image holds.

    Raises:
        subprocess.CalledProcessError: The generator refuses what it is given.
    """
    listed = [*ours(image), *held((FOLDER / f"{image}.lock").read_text("utf-8"))]
    options = [
        "--pyproject",
        str(ROOT / IMAGES[image] / "pyproject.toml"),
        "--mc-type",
        "application",
    ]
    options += ["--output-reproducible", "--of", "JSON", "--output-file", str(path), "-"]
    subprocess.run(
        [sys.executable, "-m", "cyclonedx_py", "requirements", *options],
        input="\n".join(listed), text=True, check=True, capture_output=True,
    )  # fmt: skip


def held(lock: str) -> Iterator[str]:
    """The lines of a lock that count in the image, with their hashes."""
    counts = False
    for line in lock.splitlines():
        if entry := ENTRY.match(line):
            counts = entry["marker"] is None or Marker(entry["marker"]).evaluate(dict(SYSTEM))
            line = f"{entry['pin']} \\" if line.endswith("\\") else entry["pin"]  # noqa: PLW2901
        if counts:
            yield line


def ours(image: str) -> list[str]:
    """Our own packages that an image's package needs, as pins; itself is not among them."""
    members = {
        project["name"]: project
        for path in ROOT.glob("*/*/pyproject.toml")
        if (project := tomllib.loads(path.read_text("utf-8")).get("project"))
    }
    found: dict[str, str] = {}
    waiting = [PREFIX + image]
    while waiting:
        for needed in members[waiting.pop()]["dependencies"]:
            if needed in members and needed not in found:
                found[needed] = members[needed]["version"]
                waiting.append(needed)
    return [f"{name}=={version}" for name, version in sorted(found.items())]


if __name__ == "__main__":
    sys.exit(main())
