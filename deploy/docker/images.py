"""Build all images and try each as it will run: nobody, without rights, on a read-only root.

A service must become healthy, by its own health check, while there is neither Kafka nor Redis; a
command must explain itself. Needs a Docker engine.
"""

import subprocess
import sys
import time
from contextlib import suppress

from references import DOCKERFILE, ROOT, references

SERVICES = ("campaign-manager", "dialer", "flow-runner", "asterisk")
COMMANDS = {
    "campaignctl": ("--help",),
    "carrier-simulator": ("-m", "carrier_simulator", "--help"),
}
TARGETS = (*SERVICES, "campaignctl")
TAG = "development"
HEALTHY_WITHIN_S = 60.0
CONFINED = (
    *("--read-only", "--user", "10001:10001", "--cap-drop", "ALL"),
    *("--security-opt", "no-new-privileges", "--tmpfs", "/tmp:mode=1777"),  # noqa: S108
)


class Failed(Exception):
    """An image does not do what it should."""


def main() -> int:
    """Build and try; return the exit status."""
    if not engine_answers():
        print("No Docker engine answers, and images can be built by one only.", file=sys.stderr)
        return 1
    try:
        for target in TARGETS:
            build(target)
        for service in SERVICES:
            become_healthy(service)
        explain_itself("campaignctl", COMMANDS["campaignctl"])
        explain_itself("campaignctl", COMMANDS["carrier-simulator"], "--entrypoint", "python")
    except Failed as why:
        print(why, file=sys.stderr)
        return 1
    print(f"{len(TARGETS)} images are built, and each runs.")
    return 0


def engine_answers() -> bool:
    """Whether there is a docker, and an engine behind it."""
    with suppress(FileNotFoundError):
        asked = ["docker", "version", "--format", "{{.Server.Version}}"]
        return subprocess.run(asked, capture_output=True, check=False).returncode == 0
    return False


def image(target: str) -> str:
    """The name of a target's image."""
    return f"campaign-engine/{target}:{TAG}"


def build(target: str) -> None:
    """Build one.

    Raises:
        Failed: It cannot be built.
    """
    given = [f"{name}={reference}" for name, reference in references().items()]
    given = [one for one in given if f"ARG {one.partition('=')[0]}=" in DOCKERFILE.read_text()]
    revision = docker_less("git", "rev-parse", "HEAD") or "unknown"
    arguments = [word for one in [*given, f"REVISION={revision}"] for word in ("--build-arg", one)]
    words = ("build", "--target", target, "--tag", image(target), "--file", str(DOCKERFILE))
    print(f"building {image(target)} ...", flush=True)
    if subprocess.run(["docker", *words, *arguments, str(ROOT)], check=False).returncode:
        raise Failed(f"{target} cannot be built")


def become_healthy(service: str) -> None:
    """Run a service until its health check is content.

    Raises:
        Failed: It is not in time, or ends.
    """
    name = docker("run", "--detach", *CONFINED, "--tmpfs", "/calls:mode=1777", image(service))
    try:
        began = time.monotonic()
        while (
            health := docker("inspect", "--format", "{{.State.Health.Status}}", name)
        ) != "healthy":
            late = time.monotonic() - began > HEALTHY_WITHIN_S
            if late or docker("inspect", "--format", "{{.State.Running}}", name) != "true":
                raise Failed(f"{service} is {health}; its log:\n{logs(name)}")
            time.sleep(0.5)
        print(f"{service}: healthy after {time.monotonic() - began:.1f} s")
    finally:
        docker("rm", "--force", name)


def explain_itself(target: str, words: tuple[str, ...], *options: str) -> None:
    """Run a command that explains itself.

    Raises:
        Failed: It does not.
    """
    docker("run", "--rm", *CONFINED, *options, image(target), *words)
    print(f"{target}: {' '.join(words)}")


def logs(name: str) -> str:
    """The last that a container has written, on either stream."""
    asked = ["docker", "logs", "--tail", "20", name]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def docker(*words: str) -> str:
    """Return what docker says.

    Raises:
        Failed: It refuses.
    """
    done = subprocess.run(["docker", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Failed(f"docker {' '.join(words)}: {(done.stderr or done.stdout).strip()}")
    return done.stdout.strip()


def docker_less(*words: str) -> str:
    """Return what another program says; "" if it fails."""
    with suppress(FileNotFoundError):
        return subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, check=False
        ).stdout.strip()
    return ""


if __name__ == "__main__":
    sys.exit(main())
