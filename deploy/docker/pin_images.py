"""Ask the registries which images the tags of .env mean now, and write it down.

`pin_images.py` writes digests into .env and into the Dockerfile; `pin_images.py --check` writes
nothing and ends with 1 while a reference has none. Asking takes `docker buildx` and a network.
"""

import json
import re
import subprocess
import sys

from references import is_pinned, references, without_digest, write

SHA256 = re.compile(r"sha256:[0-9a-f]{64}")
LIMIT_S = 60


class Unknown(Exception):
    """Nobody could say which image a tag means."""


def main() -> int:
    """Pin, or look; return the exit status."""
    if "--check" in sys.argv[1:]:
        return check(references())
    try:
        pinned = {name: asked(reference) for name, reference in references().items()}
    except Unknown as why:
        print(f"Nothing has been pinned: {why}", file=sys.stderr)
        return 1
    write(pinned)
    for reference in pinned.values():
        print(reference)
    return 0


def check(named: dict[str, str]) -> int:
    """Say which references have no digest; 1 if one has none."""
    loose = [reference for reference in named.values() if not is_pinned(reference)]
    for reference in loose:
        print(f"{reference} has no digest: `make pin-images` writes it", file=sys.stderr)
    return 1 if loose else 0


def asked(reference: str) -> str:
    """Return a reference with the digest that its tag has now.

    Raises:
        Unknown: docker, its buildx or the registry do not answer.
    """
    tagged = without_digest(reference)
    command = ["docker", "buildx", "imagetools", "inspect", tagged]
    try:
        done = subprocess.run(
            [*command, "--format", "{{json .Manifest}}"],
            capture_output=True, text=True, timeout=LIMIT_S, check=True,
        )  # fmt: skip
        digest = str(json.loads(done.stdout)["digest"])
    except FileNotFoundError:
        raise Unknown("this needs `docker buildx`, and there is no docker here.") from None
    except subprocess.TimeoutExpired:
        raise Unknown(f"no answer about {tagged} within {LIMIT_S} s.") from None
    except subprocess.CalledProcessError as refused:
        said = (refused.stderr or refused.stdout).strip().splitlines() or ["it did not say why"]
        raise Unknown(f"`{' '.join(command)}` failed: {said[0]}") from None
    except (ValueError, KeyError, TypeError):
        raise Unknown(f"the answer about {tagged} names no digest.") from None
    if not SHA256.fullmatch(digest):
        raise Unknown(f"the digest of {tagged} is none: {digest}")
    return f"{tagged}@{digest}"


if __name__ == "__main__":
    sys.exit(main())
