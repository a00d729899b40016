"""The images that are run and built on: `.env` names them, the Dockerfile repeats those it needs.

A reference is `registry/name:tag`, and `registry/name:tag@sha256:...` once it is pinned.
"""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ENV_FILE = ROOT / ".env"
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"

NAMED = re.compile(r"^(\w+_IMAGE)=(\S+)$", re.MULTILINE)
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")


def references(env_file: Path = ENV_FILE) -> dict[str, str]:
    """Return the references by the names of their variables."""
    return dict(NAMED.findall(env_file.read_text("utf-8")))


def without_digest(reference: str) -> str:
    """Return a reference as it was before it was pinned."""
    return DIGEST.sub("", reference)


def is_pinned(reference: str) -> bool:
    """Whether a reference says exactly which image it means."""
    return DIGEST.search(reference) is not None


def write(pinned: dict[str, str], env_file: Path = ENV_FILE, dockerfile: Path = DOCKERFILE) -> None:
    """Put references in the place of those that have their names, wherever they stand."""
    for path in (env_file, dockerfile):
        text = path.read_text("utf-8")
        for name, reference in pinned.items():
            text = re.sub(rf"^((?:ARG )?{name}=)\S+$", rf"\g<1>{reference}", text, flags=re.M)
        path.write_text(text, "utf-8")
