"""The images without a Docker engine: each stage of the Dockerfile as layers over this machine.

The base is this machine's file system, with a Python at /usr/local as the official image has it.
A stage is an overlay above the stage it stands on; its RUN and COPY are carried out there, as they
are written. What runs in the end runs as nobody, without rights, on a root that cannot be written.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.deploy.dockerfile import ROOT, Dockerfile, Instruction, Stage

SYSTEM_PATH = "/usr/local/bin:/usr/local/sbin:/usr/bin:/bin:/usr/sbin:/sbin"
MEMORY = Path("/dev/shm")
"""Layers must not lie on what they cover, so they lie in memory."""


def why_not() -> str:
    """Why this machine cannot do it; "" if it can."""
    if os.geteuid() or not shutil.which("unshare") or not MEMORY.is_dir():
        return "it takes root, unshare and /dev/shm"
    trial = "cd $(mktemp -d) && mount -t tmpfs x . && mkdir u w m && mount -t overlay x"
    trial += " -o lowerdir=/,upperdir=u,workdir=w m"
    tried = subprocess.run(["unshare", "--mount", "sh", "-ec", trial], check=False)
    return "overlays cannot be mounted" if tried.returncode else ""


def python_home(version: str) -> Path:
    """Where a Python of this version lives that can stand for the image's; else, our own."""
    known = Path.home() / ".pyenv" / "versions"
    found = [*known.glob(f"{version}.*"), Path(sys.base_prefix)]
    return found[0]


@dataclass
class ImageRoots:
    """Builds stages, and runs what they make.

    Attributes:
        folder: On a file system of its own; everything is kept there.
        context: What a build may see.
        python: Stands at /usr/local.
    """

    dockerfile: Dockerfile
    folder: Path
    context: Path
    python: Path

    def build(self, name: str) -> None:
        """Build a stage, and those it needs; one that is built already stays."""
        here = self.folder / name
        if here.exists():
            return
        stage = self.dockerfile.stages[name]
        if stage.parent in self.dockerfile.stages:
            self.build(stage.parent)
        for kind in ("root", "local"):
            (here / kind).mkdir(parents=True)
        if stage.parent not in self.dockerfile.stages:
            self._do(name, "ldconfig")
        for place, one in self._placed(stage):
            if one.word == "RUN":
                self._do(name, filled_in(one.rest, place))
            elif one.word == "COPY":
                self._copy(name, one, place["PWD"])

    def run(
        self, name: str, command: Sequence[str], env: Mapping[str, str], *, own_net: bool = False
    ) -> list[str]:
        """Return the command that runs another as a container of this image would."""
        given = {"PATH": f"/opt/engine/bin:{SYSTEM_PATH}", **self.dockerfile.settings(name), **env}
        words = ["env", "-i", *(f"{key}={value}" for key, value in given.items()), *command]
        user = self.dockerfile.last(name, "USER")
        assert user is not None
        uid, _, gid = user.rest.partition(":")
        confined = ["setpriv", f"--reuid={uid}", f"--regid={gid}", "--clear-groups"]
        confined += ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"]
        script = [
            *self._mounts(name, is_open=False),
            *([f"mount -t tmpfs none {self._at(name)}{hidden()}"] if hidden() else []),
            f"mount -t tmpfs -o mode=1777 none {self._at(name)}/tmp",
            *(["ip link set lo up 2>/dev/null || true"] if own_net else []),
            f"exec chroot {self._at(name)} {shlex.join([*confined, *words])}",
        ]
        return self._unshared("\n".join(script), own_net=own_net)

    def files(self, name: str, under: str) -> set[str]:
        """The paths that a stage's layers hold under a folder."""
        folders = [self.folder / stage.name / "root" for stage in self.dockerfile.line(name)]
        return {
            str(path.relative_to(folder))
            for folder in folders
            for path in (folder / under.lstrip("/")).rglob("*")
        }

    def _placed(self, stage: Stage) -> Iterator[tuple[dict[str, str], Instruction]]:
        """Its instructions, each with the environment and the folder that it finds."""
        place = {"PWD": "/"}
        if stage.parent in self.dockerfile.stages:
            place |= self.dockerfile.settings(stage.parent)
        for one in stage.instructions:
            if one.word == "ENV":
                place |= self.dockerfile.settings(stage.name)
            elif one.word == "WORKDIR":
                place["PWD"] = one.rest
                self._do(stage.name, f"mkdir -p {one.rest}")
            yield place, one

    def _copy(self, name: str, one: Instruction, folder: str) -> None:
        source, *rest = one.words if one.words[0].startswith("--from=") else ("", *one.words)
        what, where = rest
        target = Path(f"{self._at(name)}{Path(folder, where)}")
        if source:
            origin = source.removeprefix("--from=")
            self.build(origin)
            mounts = [*self._mounts(origin), *self._mounts(name)]
            path = f"{self._at(origin)}{what}"
        else:
            mounts, path = self._mounts(name), str(self.context / what)
        script = [*mounts, f"mkdir -p {target.parent}", f"cp -aT {path} {target}"]
        subprocess.run(self._unshared("\n".join(script)), check=True)

    def _do(self, name: str, command: str) -> None:
        script = [
            *self._mounts(name),
            f"exec chroot {self._at(name)} sh -ec {shlex.quote(command)}",
        ]
        env = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
        subprocess.run(
            self._unshared("\n".join(script)), check=True, env={**env, "PATH": SYSTEM_PATH}
        )

    def _at(self, name: str) -> str:
        return str(self.folder / name / "at")

    def _mounts(self, name: str, *, is_open: bool = True) -> list[str]:
        """The commands that put a stage's root together; if open, its layer takes what is new."""
        at, chain = self._at(name), [one.name for one in reversed(self.dockerfile.line(name))]
        commands = [f"mkdir -p {at}"]
        for kind, base, place in (("root", "/", at), ("local", self.python, f"{at}/usr/local")):
            layers = [str(self.folder / one / kind) for one in chain]
            if is_open:
                work = self.folder / name / f"{kind}-work"
                commands.append(f"mkdir -p {work}")
                below = ":".join([*layers[1:], str(base)])
                options = f"lowerdir={below},upperdir={layers[0]},workdir={work}"
            else:
                options = f"lowerdir={':'.join([*layers, str(base)])}"
            commands.append(f"mount -t overlay none -o {options} {place}")
        return [*commands, *(f"mount --rbind /{one} {at}/{one}" for one in ("proc", "dev", "sys"))]

    def _unshared(self, script: str, *, own_net: bool = False) -> list[str]:
        unshare = ["unshare", "--mount", *(["--net"] if own_net else [])]
        return [*unshare, "sh", "-ec", script]


def hidden() -> str:
    """The folder at the top that holds our working copy; "" if it is /tmp, hidden anyway."""
    top = f"/{ROOT.parts[1]}"
    return "" if top == "/tmp" else top


def filled_in(command: str, place: Mapping[str, str]) -> str:
    """A command as it is run in a place."""
    told = " ".join(f"{key}={shlex.quote(value)}" for key, value in place.items() if key != "PWD")
    return f"{f'export {told}; ' if told else ''}cd {place['PWD']}; {command}"


def context_of(ignored: Path, target: Path) -> Path:
    """Copy what .dockerignore lets through, of what git knows, and return where it is."""
    let_through = [
        line[1:] for line in ignored.read_text("utf-8").splitlines() if line.startswith("!")
    ]
    for pattern in let_through:
        for found in ROOT.glob(pattern):
            where = target / found.relative_to(ROOT)
            where.parent.mkdir(parents=True, exist_ok=True)
            if found.is_dir():
                ignore = shutil.ignore_patterns("__pycache__", "*.pyc", "*.egg-info")
                shutil.copytree(found, where, ignore=ignore, dirs_exist_ok=True)
            else:
                shutil.copy2(found, where)
    return target
