"""The cache of Kafka's jars: whole or not there, filled once however many want it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from campaignctl.infrastructure.kafka_jars import find_pom, pinned_version, require_jars
from campaignctl.infrastructure.provider import Unavailable
from campaignctl.supervision import Supervisor

# Stands in for Maven: notes each call, writes half of the jars, waits for leave, writes the rest.
MAVEN = """#!/bin/sh
for argument; do case "$argument" in -DoutputDirectory=*) lib="${argument#*=}";; esac; done
echo call >> "$STAND_IN/calls"
mkdir -p "$lib" && echo one > "$lib/one.jar"
while [ ! -e "$STAND_IN/leave" ]; do sleep 0.02; done
echo two > "$lib/two.jar"
"""
DOWNLOADER = """
from campaignctl.infrastructure.kafka_jars import require_jars
from campaignctl.supervision import Supervisor
with Supervisor() as supervisor:
    print(require_jars(supervisor, lambda line: None)[0], flush=True)
"""


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    maven = tmp_path / "bin" / "mvn"
    maven.parent.mkdir()
    maven.write_text(MAVEN)
    maven.chmod(0o755)
    monkeypatch.setenv("PATH", f"{maven.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("STAND_IN", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture
def supervisor(tmp_path: Path) -> Iterator[Supervisor]:
    with Supervisor(tmp_path / "run") as supervisor:
        yield supervisor


def silent(_: str) -> None:
    return


def calls(stand_in: Path) -> int:
    file = stand_in / "calls"
    return len(file.read_text().split()) if file.exists() else 0


def wait_for_call(stand_in: Path) -> None:
    deadline = time.monotonic() + 15
    while not list(stand_in.glob("cache/campaign-engine/*/lib/one.jar")):
        assert time.monotonic() < deadline, "the download never began"
        time.sleep(0.02)


def test_jars_are_downloaded_once_to_the_cache_folder(
    stand_in: Path, supervisor: Supervisor
) -> None:
    (stand_in / "leave").touch()
    said: list[str] = []
    folder, version = require_jars(supervisor, said.append)
    assert require_jars(supervisor, said.append) == (folder, version)
    assert folder == stand_in / "cache" / "campaign-engine" / f"kafka-{version}" / "lib"
    assert version == pinned_version(find_pom())
    assert calls(stand_in) == 1
    assert len(said) == 1
    assert said[0].startswith(f"Downloading Apache Kafka {version}")


def test_an_interrupted_download_is_never_taken_for_whole(
    stand_in: Path, supervisor: Supervisor
) -> None:
    with subprocess.Popen([sys.executable, "-c", DOWNLOADER], stdout=subprocess.PIPE) as downloader:
        wait_for_call(stand_in)
        downloader.send_signal(signal.SIGKILL)
    (stand_in / "leave").touch()
    folder, _ = require_jars(supervisor, silent)
    assert sorted(jar.name for jar in folder.iterdir()) == ["one.jar", "two.jar"]
    assert calls(stand_in) == 2


def test_two_who_want_the_jars_download_them_once(stand_in: Path, supervisor: Supervisor) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", DOWNLOADER], stdout=subprocess.PIPE, text=True
    ) as other:
        wait_for_call(stand_in)
        (stand_in / "leave").touch()
        folder, _ = require_jars(supervisor, silent)
        assert other.communicate(timeout=15)[0].strip() == str(folder)
    assert calls(stand_in) == 1


def test_a_changed_pom_is_downloaded_anew(stand_in: Path, supervisor: Supervisor) -> None:
    (stand_in / "leave").touch()
    folder, _ = require_jars(supervisor, silent)
    (folder.parent / "pom.xml").write_text("<project/>")
    require_jars(supervisor, silent)
    assert calls(stand_in) == 2


def test_a_failed_download_is_tried_twice_and_then_said(
    stand_in: Path, supervisor: Supervisor
) -> None:
    (stand_in / "bin" / "mvn").write_text('#!/bin/sh\necho call >> "$STAND_IN/calls"\nexit 7\n')
    with pytest.raises(Unavailable, match=r"could not be downloaded: maven exited with code 7"):
        require_jars(supervisor, silent)
    assert calls(stand_in) == 2
