"""Programs of the operating system that the engine needs, installed where that is allowed."""

import os
import re
import shutil
import subprocess

from campaignctl.infrastructure.provider import Announce, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady, Supervisor

JAVA_AT_LEAST = 17
# Program → Debian packages that bring it; the first that the machine's release knows is taken.
PACKAGES: dict[str, tuple[str, ...]] = {
    "redis-server": ("redis-server",),
    "espeak-ng": ("espeak-ng",),
    "faketime": ("faketime",),
    "java": ("openjdk-17-jre-headless", "openjdk-21-jre-headless", "openjdk-25-jre-headless"),
    "mvn": ("maven",),
}


def require_program(name: str, supervisor: Supervisor, announce: Announce) -> str:
    """Return the path of a program; install it first where this is missing and allowed.

    Raises:
        Unavailable: It is not there and cannot be installed; the text says how to get it.
    """
    if found := shutil.which(name):
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        raise Unavailable(f"{name} is not installed (Debian package: {PACKAGES[name][0]})")
    announce(f"Installing {name}, which is missing, with apt-get ...")
    _install(name, supervisor)
    if found := shutil.which(name):
        return found
    raise Unavailable(f"{name} is still missing after its package was installed")


def require_java(supervisor: Supervisor, announce: Announce) -> tuple[str, int]:
    """Return the path of a Java that runs Kafka, and its major version.

    Raises:
        Unavailable: There is none, or it is too old.
    """
    java = require_program("java", supervisor, announce)
    told = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', told)
    if version is None or int(version[1]) < JAVA_AT_LEAST:
        raise Unavailable(f"Java {JAVA_AT_LEAST} or newer is needed; {java} says: {told.strip()}")
    return java, int(version[1])


def _install(name: str, supervisor: Supervisor) -> None:
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    why = ""
    try:
        supervisor.run("apt-get", ["apt-get", "update"], env=quiet, within_s=120)
    except (ChildExited, ChildNotReady) as error:
        why = str(error)  # the lists that are there may do
    for package in PACKAGES[name]:
        command = ["apt-get", "install", "--yes", "--no-install-recommends", package]
        try:
            supervisor.run("apt-get", command, env=quiet, within_s=300)
            return
        except (ChildExited, ChildNotReady) as error:
            why = str(error)
    raise Unavailable(f"{name} is not installed, and apt-get could not: {why}")
