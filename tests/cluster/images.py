"""What an image brings along, read from the Dockerfile: entrypoint, environment, user, folder."""

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

DOCKERFILE = Path(__file__).parents[2] / "deploy" / "docker" / "Dockerfile"


@dataclass(frozen=True)
class Image:
    """What a container has of its image when nobody tells it otherwise."""

    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: int = 0
    folder: str = "/"


def images(text: str) -> dict[str, Image]:
    """Return the images of a Dockerfile by the names of their stages."""
    found: dict[str, Image] = {}
    name = ""
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word == "FROM":
            base, _, name = rest.partition(" AS ")
            found[name] = found.get(base, Image(env={"PATH": "/usr/local/bin:/usr/bin:/bin"}))
        elif name:
            found[name] = _told(found[name], word, rest)
    return found


def _told(image: Image, word: str, rest: str) -> Image:
    match word:
        case "ENV":
            pairs = dict(one.split("=", 1) for one in shlex.split(rest))
            path = image.env["PATH"]
            env = {key: value.replace("$PATH", path) for key, value in pairs.items()}
            return replace(image, env={**image.env, **env})
        case "USER":
            return replace(image, user=int(rest.partition(":")[0]))
        case "WORKDIR":
            return replace(image, folder=rest)
        case "ENTRYPOINT":
            return replace(image, entrypoint=tuple(json.loads(rest)))
        case _:
            return image
