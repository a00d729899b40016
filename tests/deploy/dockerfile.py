"""The Dockerfile as data: its stages, and the instructions of each."""

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"
SERVICES = {"campaign-manager": 8080, "dialer": 8081, "flow-runner": 8082}
"""The images of services, and where each listens."""
PYTHON_IMAGES = (*SERVICES, "campaignctl")


@dataclass(frozen=True)
class Instruction:
    """One instruction, without the line breaks that were hidden by a backslash."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """What follows the word, as a list: JSON as it is, else split as a shell does."""
        if self.rest.startswith("["):
            return list(json.loads(self.rest))
        return shlex.split(self.rest)


@dataclass
class Stage:
    """What one FROM begins.

    Attributes:
        parent: A stage, or the reference of an image.
    """

    name: str
    parent: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """The instructions of one kind, in order."""
        return [one for one in self.instructions if one.word == word]


@dataclass(frozen=True)
class Dockerfile:
    """All of it.

    Attributes:
        arguments: The ARGs before the first FROM.
    """

    arguments: dict[str, str]
    stages: dict[str, Stage]

    def line(self, name: str) -> list[Stage]:
        """A stage and those it stands on, the first first."""
        stage = self.stages[name]
        return [*(self.line(stage.parent) if stage.parent in self.stages else []), stage]

    def settings(self, name: str) -> dict[str, str]:
        """The environment of a stage, but for PATH."""
        given: dict[str, str] = {}
        for stage in self.line(name):
            for one in stage.all("ENV"):
                given |= dict(pair.split("=", 1) for pair in one.words)
        return {key: value for key, value in given.items() if key != "PATH"}

    def last(self, name: str, word: str) -> Instruction | None:
        """The instruction of a kind that holds in the end."""
        found = [one for stage in self.line(name) for one in stage.all(word)]
        return found[-1] if found else None

    def health_check(self, name: str) -> list[str]:
        """The command that asks a container of this stage how it is."""
        check = self.last(name, "HEALTHCHECK")
        assert check is not None, f"{name} has no HEALTHCHECK"
        return list(json.loads(check.rest.partition("CMD ")[2]))


def read(path: Path = DOCKERFILE) -> Dockerfile:
    """Read the Dockerfile."""
    arguments: dict[str, str] = {}
    stages: dict[str, Stage] = {}
    stage: Stage | None = None
    for one in instructions(path.read_text("utf-8")):
        if one.word == "FROM":
            parent, _, name = one.rest.partition(" AS ")
            stage = stages[name] = Stage(name, filled(parent, arguments))
        elif stage is None:
            key, _, value = one.rest.partition("=")
            arguments[key] = value
        else:
            stage.instructions.append(one)
    return Dockerfile(arguments, stages)


def instructions(text: str) -> Iterator[Instruction]:
    """The instructions in order, comments left out."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    for whole in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        if whole.strip():
            word, _, rest = whole.strip().partition(" ")
            yield Instruction(word, rest.strip())


def filled(text: str, arguments: dict[str, str]) -> str:
    """A text with its ${VARIABLES} filled in."""
    return re.sub(r"\$\{(\w+)\}", lambda found: arguments[found[1]], text)
