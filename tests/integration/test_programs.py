"""Programs of the system: found, installed where that is allowed, or said to be missing."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaignctl.infrastructure.programs import require_java, require_program
from campaignctl.infrastructure.provider import Unavailable
from campaignctl.supervision import Supervisor

# Stands in for apt-get: `install` brings a program of the name in $BRINGS.
APT = """#!/bin/sh
echo "$@" >> "$STAND_IN/apt"
case "$*" in
  *install*openjdk-17*) exit 100;;
  *install*) printf '#!/bin/sh\\necho openjdk version \\\\"21.0.1\\\\" >&2\\n' > "$STAND_IN/$BRINGS"
             /bin/chmod +x "$STAND_IN/$BRINGS";;
esac
"""


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH with nothing on it but what the test puts there."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("STAND_IN", str(folder))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return folder


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "run") as supervisor:
        yield supervisor


def put(folder: Path, name: str, text: str) -> Path:
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def silent(_: str) -> None:
    return


def test_a_program_that_is_there_is_taken_in_silence(bare: Path, supervisor: Supervisor) -> None:
    there = put(bare, "redis-server", "#!/bin/sh\n")
    said: list[str] = []
    assert require_program("redis-server", supervisor, said.append) == str(there)
    assert said == []


def test_root_gets_a_missing_program_installed_and_one_line_about_it(
    bare: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bare, "apt-get", APT)
    monkeypatch.setenv("BRINGS", "redis-server")
    said: list[str] = []
    assert require_program("redis-server", supervisor, said.append) == str(bare / "redis-server")
    assert said == ["Installing redis-server, which is missing, with apt-get ..."]


def test_another_package_is_tried_when_the_release_lacks_the_first(
    bare: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bare, "apt-get", APT)
    monkeypatch.setenv("BRINGS", "java")
    assert require_java(supervisor, silent) == (str(bare / "java"), 21)
    assert "openjdk-21-jre-headless" in (bare / "apt").read_text()


def test_whoever_may_not_install_is_told_the_package(
    bare: Path, supervisor: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bare, "apt-get", APT)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(Unavailable, match=r"mvn is not installed \(Debian package: maven\)"):
        require_program("mvn", supervisor, silent)
    assert not (bare / "apt").exists()


def test_an_installation_that_fails_says_why(bare: Path, supervisor: Supervisor) -> None:
    put(bare, "apt-get", "#!/bin/sh\necho no such package\nexit 100\n")
    with pytest.raises(Unavailable, match="no such package"):
        require_program("redis-server", supervisor, silent)


def test_a_java_too_old_for_kafka_is_refused(bare: Path, supervisor: Supervisor) -> None:
    put(bare, "java", "#!/bin/sh\necho 'openjdk version \"1.8.0_402\"' >&2\n")
    with pytest.raises(Unavailable, match="Java 17 or newer is needed"):
        require_java(supervisor, silent)
