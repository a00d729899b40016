"""Programs understand what the manifests tell them, and can be told all that they understand."""

from functools import cache
from pathlib import Path

import pytest
from campaign_manager.settings import Settings as CampaignManagerSettings
from campaignctl.cli import app
from carrier_simulator.__main__ import parser
from chassis.connections import Connections
from chassis.settings import load
from dialer.settings import Settings as DialerSettings
from flow_runner.settings import Settings as FlowRunnerSettings
from pydantic_settings import BaseSettings
from trustme import CA
from typer.core import TyperGroup as Group
from typer.main import get_command

from deploy.helm import facts, make_manifests
from tests.deploy import rendering
from tests.deploy.manifests import Manifest, containers
from tests.deploy.rendering import VALUES, objects

SETTINGS: dict[str, type[BaseSettings]] = {
    "campaign-manager": CampaignManagerSettings,
    "dialer": DialerSettings,
    "flow-runner": FlowRunnerSettings,
    "provision": Connections,
    "rebuild": Connections,
}
OF_ITS_COMMANDS = {"REPLICATION_FACTOR"}
"""What campaignctl reads from its environment beside its connections."""


def environment(one: Manifest, all_: list[Manifest], folder: Path) -> dict[str, str]:
    """What a container finds in its environment; secrets are made up, files are certificates."""
    configs = {
        each["metadata"]["name"]: each["data"] for each in all_ if each["kind"] == "ConfigMap"
    }
    told: dict[str, str] = {}
    for source in one.get("envFrom", ()):
        told |= configs[source["configMapRef"]["name"]]
    for variable in one.get("env", ()):
        told[variable["name"]] = variable.get("value", "made-up").replace("$(POD_IP)", "10.0.0.7")
    told.pop("POD_IP", None)
    for name in told:
        if name.endswith("_CA_FILE"):
            told[name] = str(folder / "ca.pem")
        elif name.endswith(("_CERTIFICATE_FILE", "_KEY_FILE")):
            told[name] = str(folder / "ours.pem")
    return told


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, authority = tmp_path_factory.mktemp("certificates"), CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    authority.issue_cert("dialer").private_key_and_cert_chain_pem.write_to_path(folder / "ours.pem")
    return folder


WITH_CERTIFICATES = (
    "--set=strimzi.users.authentication=tls",
    "--set=kafka.ca.secret=another-ca",
)


@cache
def with_certificates() -> str:
    return make_manifests.render("values-high-availability", *WITH_CERTIFICATES)


@pytest.mark.parametrize("values", [*VALUES, "with certificates"])
def test_programs_understand_all_that_they_are_told(
    values: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ = rendering.parsed(
        with_certificates() if values == "with certificates" else rendering.text(values)
    )
    seen = set()
    for _, one, _ in containers(all_):
        if kind := SETTINGS.get(one["name"]):
            told = environment(one, all_, certificates)
            prefix = str(kind.model_config.get("env_prefix", "")).upper()
            known = {prefix + field.upper() for field in kind.model_fields}
            assert told.keys() <= known | (OF_ITS_COMMANDS if not prefix else set())
            with monkeypatch.context() as patched:
                for name, value in told.items():
                    patched.setenv(name, value)
                load(kind) if prefix else kind()
            seen.add(one["name"])
    assert seen >= {"campaign-manager", "dialer", "flow-runner"}


def test_every_setting_has_a_value_or_can_be_given_one() -> None:
    """A new setting is one or the other, or this fails."""
    told = {
        name
        for text in [*map(rendering.text, VALUES), with_certificates()]
        for one in rendering.parsed(text)
        for name in _variables(one)
    }
    for name, fact in facts.services().items():
        fields = {field.upper() for field in SETTINGS[name].model_fields}
        free = set(fact["settings"])
        assert {fact["prefix"] + field for field in fields - free} <= told, name


@pytest.mark.parametrize("values", ["values", "values-laptop"])
def test_commands_understand_their_words(
    values: str, certificates: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    all_ = objects(values)
    told = {one["name"]: one for _, one, _ in containers(all_)}
    commands = get_command(app)
    assert isinstance(commands, Group)
    for name in ("provision", "rebuild"):
        for variable, value in environment(told[name], all_, certificates).items():
            monkeypatch.setenv(variable, value)
        command, *words = told[name]["args"]
        commands.commands[command].make_context(command, words)
    if simulator := told.get("carrier-simulator"):
        assert simulator["command"] == ["python", "-m", "carrier_simulator"]
        given = parser().parse_args(simulator["args"])
        assert (given.host, given.port) == ("0.0.0.0", simulator["ports"][0]["containerPort"])


def _variables(one: Manifest) -> set[str]:
    if one["kind"] == "ConfigMap":
        return set(one["data"])
    return {each["name"] for _, part, _ in containers([one]) for each in part.get("env", ())}
