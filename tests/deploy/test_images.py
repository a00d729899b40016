"""The Dockerfile: what the images are made of, and how they are told to run."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from campaign_manager.settings import Settings as CampaignManagerSettings
from chassis.settings import ServiceSettings
from dialer.settings import Settings as DialerSettings
from flow_runner.settings import Settings as FlowRunnerSettings
from hatchling.builders.wheel import WheelBuilder

from tests.deploy import scripts
from tests.deploy.dockerfile import DOCKERFILE, PYTHON_IMAGES, ROOT, SERVICES, Dockerfile

FOLDER = DOCKERFILE.parent
HADOLINT = str(Path(sys.executable).with_name("hadolint"))
SETTINGS: dict[str, type[ServiceSettings]] = {
    "campaign-manager": CampaignManagerSettings,
    "dialer": DialerSettings,
    "flow-runner": FlowRunnerSettings,
}
MEMBERS = sorted(path.parent for path in ROOT.glob("*/*/pyproject.toml"))
GENERAL = {"PYTHONUNBUFFERED", "PYTHONDONTWRITEBYTECODE", "HOME"}
RUN = (*PYTHON_IMAGES, "asterisk")
VERSIONED = re.compile(r":[\w.-]*\d+\.\d+[\w.-]*|:sid-\d{8}-slim")
DIGEST = re.compile(r"@sha256:[0-9a-f]{64}$")
HEALTHY = """
case "$*" in
  *Health*) echo healthy ;; *State.Running*) echo true ;; run*) echo a-container ;;
esac
"""


def pins(lock: Path) -> set[str]:
    return set(re.findall(r"^([\w.-]+==[^\s;]+)", lock.read_text("utf-8"), re.MULTILINE))


# ---- what they are made of


def test_hadolint_finds_nothing() -> None:
    found = subprocess.run(
        [HADOLINT, "--no-color", "--failure-threshold", "style", str(DOCKERFILE)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (found.stdout + found.stderr, found.returncode) == ("", 0)


def test_hadolint_would_find_something(tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN cd /tmp && sudo apt-get install x\n")
    found = subprocess.run(
        [HADOLINT, str(tmp_path / "Dockerfile")], capture_output=True, check=False
    )
    assert found.returncode


def test_bases_are_those_of_the_env_file_and_of_one_version(dockerfile: Dockerfile) -> None:
    named = dict(re.findall(r"^(\w+_IMAGE)=(\S+)$", (ROOT / ".env").read_text(), re.MULTILINE))
    assert dockerfile.arguments.items() <= named.items()
    assert all(VERSIONED.search(reference) for reference in named.values()), named
    assert all(DIGEST.search(reference) for reference in named.values()), "by digest, all of them"
    parents = {stage.parent for stage in dockerfile.stages.values()}
    assert parents - set(dockerfile.stages) == set(dockerfile.arguments.values())


def test_packages_of_others_come_as_wheels_by_their_hashes(dockerfile: Dockerfile) -> None:
    fetching = [
        one.rest
        for stage in dockerfile.stages.values()
        for one in stage.all("RUN")
        if "pip install" in one.rest and "--no-index" not in one.rest
    ]
    assert len(fetching) == len(PYTHON_IMAGES) + 1  # and the tools that build ours
    assert all("--require-hashes --only-binary :all:" in one for one in fetching)


@pytest.mark.parametrize("image", [*PYTHON_IMAGES, "build"])
def test_an_image_holds_what_the_tests_ran_with(image: str) -> None:
    lock = FOLDER / f"{image}.lock"
    assert pins(lock) <= pins(ROOT / "requirements.lock")
    assert "://" not in lock.read_text("utf-8")


def test_locks_are_those_that_are_used(dockerfile: Dockerfile) -> None:
    used = {
        Path(word).name
        for stage in dockerfile.stages.values()
        for one in stage.all("COPY")
        for word in one.words
        if word.startswith("deploy/docker/")
    }
    assert used == {path.name for path in FOLDER.glob("*.lock")}


@pytest.mark.parametrize("image", SERVICES)
def test_a_service_has_no_package_of_another(dockerfile: Dockerfile, image: str) -> None:
    installed = dockerfile.last(f"{image}-parts", "RUN")
    assert installed is not None
    ours = set(re.findall(r"campaign_engine_(\w+)-", installed.rest))
    assert ours - {"contracts", "chassis", "target_queue"} == {image.replace("-", "_")}
    text = (ROOT / "services" / image / "pyproject.toml").read_text("utf-8")
    needed = {name.replace("-", "_") for name in re.findall(r'"campaign-engine-([\w-]+)"', text)}
    assert ours == needed | {"chassis", "contracts"}


@pytest.mark.parametrize("member", MEMBERS, ids=lambda path: path.name)
def test_a_wheel_holds_everything_that_git_knows(member: Path) -> None:
    kept = subprocess.run(
        ["git", "ls-files", "src"], cwd=member, capture_output=True, text=True, check=True
    ).stdout.split()
    builder = WheelBuilder(str(member))
    packed = {f"src/{one.distribution_path}" for one in builder.recurse_included_files()}
    assert set(kept) <= packed
    assert any(name.endswith("py.typed") for name in packed)


def test_what_is_copied_is_let_through_and_nothing_else_is(dockerfile: Dockerfile) -> None:
    lines = (ROOT / ".dockerignore").read_text("utf-8").split("\n")
    assert "*" in lines
    let_through = [line[1:] for line in lines if line.startswith("!")]
    for stage in dockerfile.stages.values():
        for one in stage.all("COPY"):
            if not one.words[0].startswith("--from="):
                wanted = one.words[0]
                assert any(f"{path}/".startswith(f"{wanted}/") for path in let_through) or any(
                    Path(wanted).match(pattern) for pattern in let_through
                ), wanted
    assert all(list(ROOT.glob(pattern)) for pattern in let_through)


# ---- how they run


@pytest.mark.parametrize("image", RUN)
def test_an_image_runs_as_nobody_by_number(dockerfile: Dockerfile, image: str) -> None:
    user = dockerfile.last(image, "USER")
    assert user is not None
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", user.rest)


@pytest.mark.parametrize("image", SERVICES)
def test_a_service_listens_and_is_asked_where_it_says(dockerfile: Dockerfile, image: str) -> None:
    port = SERVICES[image]
    exposed = dockerfile.last(image, "EXPOSE")
    assert exposed is not None
    assert exposed.rest == str(port) == str(SETTINGS[image].model_fields["http_port"].default)
    assert f"http://127.0.0.1:{port}/livez" in dockerfile.health_check(image)[-1]


@pytest.mark.parametrize("image", PYTHON_IMAGES)
def test_every_variable_of_an_image_is_a_setting(
    dockerfile: Dockerfile, image: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {k: v for k, v in dockerfile.settings(image).items() if k not in GENERAL}
    if image not in SETTINGS:
        assert not own
        return
    kind = SETTINGS[image]
    prefix = str(kind.model_config.get("env_prefix"))
    assert set(own) <= {f"{prefix}{name}".upper() for name in kind.model_fields}
    for name, value in own.items():
        monkeypatch.setenv(name, value)
    assert kind().http_host == "0.0.0.0"


@pytest.mark.parametrize("image", RUN)
def test_an_image_says_what_it_is(dockerfile: Dockerfile, image: str) -> None:
    labels = {
        pair.partition("=")[0].removeprefix("org.opencontainers.image."): pair.partition("=")[2]
        for stage in dockerfile.line(image)
        for one in stage.all("LABEL")
        for pair in one.words
    }
    assert labels["title"] == image
    assert labels["description"]
    if image != "asterisk":
        assert {"licenses", "version", "revision"} <= set(labels)


# ---- building, pinning, listing


def test_images_need_an_engine_and_say_so(tmp_path: Path) -> None:
    ended = scripts.run(scripts.a_copy(tmp_path), "images.py", docker="exit 1")
    assert ended.returncode == 1
    assert ended.stderr == "No Docker engine answers, and images can be built by one only.\n"


def test_all_images_are_built_and_tried_without_any_right(tmp_path: Path) -> None:
    copy = scripts.a_copy(tmp_path)
    ended = scripts.run(copy, "images.py", docker=HEALTHY)
    assert ended.returncode == 0, ended.stderr
    asked = (copy / "asked").read_text().splitlines()
    assert [line.split()[3] for line in asked if line.startswith("docker build ")] == [
        "campaign-manager", "dialer", "flow-runner", "asterisk", "campaignctl",
    ]  # fmt: skip
    tried = [line for line in asked if line.startswith("docker run ")]
    assert len(tried) == 6
    assert all("--read-only --user 10001:10001 --cap-drop ALL" in line for line in tried)


def test_an_image_that_is_not_healthy_is_a_failure(tmp_path: Path) -> None:
    sick = HEALTHY.replace("healthy", "starting").replace("echo true", "echo false")
    ended = scripts.run(scripts.a_copy(tmp_path), "images.py", docker=sick)
    assert ended.returncode == 1
    assert "campaign-manager is starting" in ended.stderr


def test_pinning_writes_what_the_registry_says_and_then_the_check_is_content(
    tmp_path: Path,
) -> None:
    copy, digest = scripts.a_copy(tmp_path), f"sha256:{'a' * 64}"
    loose = scripts.run(copy, "pin_images.py", "--check")
    assert loose.returncode == (0 if "@sha256:" in (copy / ".env").read_text() else 1)
    for _ in range(2):  # the second time finds digests already
        done = scripts.run(copy, "pin_images.py", docker=f'echo \'{{"digest": "{digest}"}}\'')
        assert done.returncode == 0, done.stderr
    assert scripts.run(copy, "pin_images.py", "--check").returncode == 0
    for name in scripts.COPIED:
        named = re.findall(r"^(?:ARG )?\w+_IMAGE=(\S+)$", (copy / name).read_text(), re.MULTILINE)
        assert named
        assert all(one.endswith(f"@{digest}") and one.count("@") == 1 for one in named)


@pytest.mark.parametrize("says", ["exit 1", "echo '{}'", 'echo \'{"digest": "sha256:1"}\''])
def test_nothing_is_pinned_to_what_is_no_digest(tmp_path: Path, says: str) -> None:
    copy = scripts.a_copy(tmp_path)
    before = [(copy / name).read_text() for name in scripts.COPIED]
    ended = scripts.run(copy, "pin_images.py", docker=says)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Nothing has been pinned: ")
    assert ended.stderr.count("\n") == 1
    assert [(copy / name).read_text() for name in scripts.COPIED] == before
