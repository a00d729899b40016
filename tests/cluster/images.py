"""What an image brings along, read from the Dockerfile: entrypoint, environment, user, folder."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.deploy.dockerfile import Dockerfile

PATH = "/opt/engine/bin:/usr/local/bin:/usr/bin:/bin"


@dataclass(frozen=True)
class Image:
    """What a container has of its image when nobody tells it otherwise."""

    entrypoint: tuple[str, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    user: int = 0
    folder: str = "/"


def image_of(dockerfile: Dockerfile, name: str) -> Image:
    """Return what a stage of the Dockerfile and those that it stands on say."""
    entrypoint, user, folder = (
        dockerfile.last(name, word) for word in ("ENTRYPOINT", "USER", "WORKDIR")
    )
    return Image(
        entrypoint=tuple(entrypoint.words if entrypoint else ()),
        env={"PATH": PATH, **dockerfile.settings(name)},
        user=int(user.rest.partition(":")[0]) if user else 0,
        folder=folder.rest if folder else "/",
    )
