"""The Dockerfile carried out without a Docker engine, and the engine run from what it makes.

The layers lie over this machine's file system and not over the official image's: what the base
brings is not tried here, `make images` does that.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from campaignctl.infrastructure.ports import free_port

from tests.deploy.dockerfile import PYTHON_IMAGES, ROOT, SERVICES, Dockerfile
from tests.deploy.image_roots import MEMORY, ImageRoots, context_of, python_home, why_not

pytestmark = [pytest.mark.images, pytest.mark.timeout(900)]

FIRST_CALL_WITHIN_S = 60.0
PACKAGES = "/opt/engine/lib/python3.13/site-packages"
OURS = {"contracts", "chassis", "target_queue", "campaign_manager", "dialer", "flow_runner"}
OURS |= {"campaignctl", "carrier_simulator", "embedded_broker"}
HOLDS = {
    "campaign-manager": {"contracts", "chassis", "target_queue", "campaign_manager"},
    "dialer": {"contracts", "chassis", "target_queue", "dialer"},
    "flow-runner": {"contracts", "chassis", "flow_runner"},
    "campaignctl": OURS,
}
ASK_UNTIL_HEALTHY = """
{service} & pid=$!
tries=0
until {check} 2>/dev/null; do tries=$((tries + 1)); [ $tries -lt 60 ] || exit 9; sleep 0.25; done
! touch /opt/engine/x /usr/local/x /etc/x /x 2>/dev/null
touch /tmp/x
[ "$(id -u):$(id -G)" = 10001:10001 ]
grep -q '^CapEff:.*0000000000000000$' /proc/$pid/status
grep -q '^NoNewPrivs:.*1$' /proc/$pid/status
kill $pid
wait $pid
"""


@pytest.fixture(scope="module")
def roots(dockerfile: Dockerfile) -> Iterator[ImageRoots]:
    if why := why_not():
        pytest.skip(why)
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="campaign-engine-images-") as folder:
        Path(folder).chmod(0o755)
        context = context_of(ROOT / ".dockerignore", Path(folder) / "context")
        yield ImageRoots(dockerfile, Path(folder), context, python_home("3.13"))


@pytest.fixture(params=PYTHON_IMAGES)
def image(request: pytest.FixtureRequest, roots: ImageRoots) -> str:
    name = str(request.param)
    roots.build(name)
    return name


@pytest.fixture(scope="module")
def sboms() -> Path:
    subprocess.run([sys.executable, "deploy/docker/sbom.py"], cwd=ROOT, check=True)
    return ROOT / "dist" / "sbom"


def said(
    roots: ImageRoots, image: str, *command: str, **env: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        roots.run(image, command, env, own_net=True),
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def entry_point(dockerfile: Dockerfile, image: str) -> list[str]:
    found = dockerfile.last(image, "ENTRYPOINT")
    assert found is not None
    return found.words


def test_an_image_holds_its_own_packages_and_nothing_to_build_with(
    roots: ImageRoots, image: str
) -> None:
    files = roots.files(image, PACKAGES)
    tops = {name.removeprefix(f"{PACKAGES[1:]}/").partition("/")[0] for name in files}
    assert tops & OURS == HOLDS[image]
    assert not tops & {"pip", "setuptools", "wheel", "hatchling", "pytest"}
    assert not [name for name in files if name.endswith(".whl")]
    assert not roots.files(image, "/wheels")
    assert said(roots, image, "python", "-m", "pip").returncode
    assert said(roots, image, "python", "-m", "ensurepip").returncode


def test_the_list_of_parts_is_what_is_installed(roots: ImageRoots, image: str, sboms: Path) -> None:
    listed = json.loads((sboms / f"{image}.cdx.json").read_text("utf-8"))
    parts = [*listed["components"], listed["metadata"]["component"]]
    asked = "import importlib.metadata as m, json; print(json.dumps([[d.name, d.version] "
    asked += "for d in m.distributions(path=['" + PACKAGES + "'])]))"
    installed = json.loads(said(roots, image, "python", "-c", asked).stdout)
    assert {(one["name"].lower().replace("_", "-"), one["version"]) for one in parts} == {
        (name.lower().replace("_", "-").replace(".", "-"), version) for name, version in installed
    }


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_healthy_as_nobody_on_a_root_that_cannot_be_written(
    roots: ImageRoots, dockerfile: Dockerfile, service: str
) -> None:
    roots.build(service)
    script = ASK_UNTIL_HEALTHY.format(
        service=shlex.join(entry_point(dockerfile, service)),
        check=shlex.join(dockerfile.health_check(service)),
    )
    ended = said(roots, service, "sh", "-ec", script)
    assert ended.returncode == 0, ended.stdout + ended.stderr


@pytest.mark.parametrize("service", SERVICES)
def test_wrong_settings_end_a_service_with_a_sentence_each(
    roots: ImageRoots, dockerfile: Dockerfile, service: str
) -> None:
    roots.build(service)
    prefix = service.replace("-", "_").upper()
    wrong = {f"{prefix}_KAFKA_BOOTSTRAP": "kafka", f"{prefix}_COLOUR": "red"}
    ended = said(roots, service, *entry_point(dockerfile, service), **wrong)
    assert ended.returncode == 2
    unknown, kafka, known = ended.stderr.splitlines()
    assert unknown == f"{prefix}_COLOUR is unknown"
    assert kafka.startswith(f"{prefix}_KAFKA_BOOTSTRAP: 'kafka' names no brokers")
    assert known.startswith("known are: ")


def test_the_command_line_and_the_simulator_explain_themselves(roots: ImageRoots) -> None:
    roots.build("campaignctl")
    assert "provision" in said(roots, "campaignctl", "python", "-m", "campaignctl", "--help").stdout
    told = said(roots, "campaignctl", "python", "-m", "carrier_simulator", "--help").stdout
    assert "--journal" in told


def test_the_first_call_comes_soon(
    roots: ImageRoots, kafka_bootstrap: str, redis_url: str, tmp_path: Path
) -> None:
    """As compose.yaml does it: topics first, then all services at once, then a campaign."""
    for image in PYTHON_IMAGES:
        roots.build(image)
    port = {name: free_port() for name in (*SERVICES, "gateway")}
    calls = Path(tempfile.mkdtemp(dir=MEMORY, prefix="campaign-engine-calls-"))
    calls.chmod(0o777)
    began = time.monotonic()

    def seconds() -> float:
        return time.monotonic() - began

    with ExitStack() as at_end, (tmp_path / "log").open("w+") as log:
        at_end.callback(shutil.rmtree, calls)

        def start(image: str, *command: str, **env: str) -> None:
            words = roots.run(image, ("python", "-m", *command), env)
            process = subprocess.Popen(words, stdout=log, stderr=log)
            at_end.callback(process.wait, 60)
            at_end.callback(process.terminate)

        def told(name: str, **own: str) -> dict[str, str]:
            every = {"KAFKA_BOOTSTRAP": kafka_bootstrap, "REDIS_URL": redis_url}
            every |= {"HTTP_PORT": str(port[name]), "HTTP_HOST": "127.0.0.1"}
            every |= {"PROVISION_TOPICS": "false"}
            prefix = name.replace("-", "_").upper()
            return {f"{prefix}_{key}": value for key, value in (every | own).items()}

        provision = ["python", "-m", "campaignctl", "provision"]
        env = {"KAFKA_BOOTSTRAP": kafka_bootstrap}
        subprocess.run(roots.run("campaignctl", provision, env), check=True, stdout=log)
        tell(f"topics: {seconds():.1f} s")
        start(
            "campaignctl", "carrier_simulator", "--port", str(port["gateway"]),
            "--journal", f"{calls}/journal.jsonl", "--call-records", f"{calls}/call-records.csv",
        )  # fmt: skip
        login = {"BOOTSTRAP_USERNAME": "admin@example.com", "BOOTSTRAP_PASSWORD": "engine"}
        start("campaign-manager", "campaign_manager", **told("campaign-manager", **login))
        own = {"PUBLIC_URL": f"http://127.0.0.1:{port['flow-runner']}"}
        start("flow-runner", "flow_runner", **told("flow-runner", **own))
        own = {"ARI_URL": f"http://127.0.0.1:{port['gateway']}/ari"}
        own |= {"CALL_RECORDS": f"{calls}/call-records.csv"}
        start("dialer", "dialer", **told("dialer", **own))
        for name in SERVICES:
            await_ready(port[name])
            tell(f"{name} is ready: {seconds():.1f} s")
        demo = ["python", "-m", "campaignctl", "demo", "--targets", "10", "--json"]
        demo += ["--api-url", f"http://127.0.0.1:{port['campaign-manager']}"]
        demo += ["--password", "engine", "--journal", f"{calls}/journal.jsonl"]
        dialing = subprocess.Popen(roots.run("campaignctl", demo, {}), stdout=log, stderr=log)
        while not (calls / "journal.jsonl").read_text().strip():
            assert dialing.poll() is None, (log.seek(0), log.read())[1]
            time.sleep(0.05)
        first = seconds()
        tell(f"first call: {first:.1f} s after the first program began")
        assert dialing.wait(240) == 0, (log.seek(0), log.read())[1]
    assert first < FIRST_CALL_WITHIN_S


def tell(line: str) -> None:
    print(line)  # noqa: T201 - `make test-images` shows it


def await_ready(port: int) -> None:
    deadline = time.monotonic() + FIRST_CALL_WITHIN_S
    while True:
        try:
            answer = httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=2, trust_env=False)
            if answer.is_success:
                return
        except httpx.TransportError:
            pass
        assert time.monotonic() < deadline, f"{port} was not ready in time"
        time.sleep(0.05)
