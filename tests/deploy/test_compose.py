"""compose.yaml: a whole engine that nothing can be done to, and that knows where everything is."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from campaignctl.cli import app
from carrier_simulator.__main__ import parser
from chassis.connections import Connections
from jsonschema import Draft202012Validator
from typer.main import get_command

from tests.deploy.dockerfile import DOCKERFILE, ROOT, SERVICES, Dockerfile
from tests.deploy.promtool import Promtool
from tests.deploy.test_images import SETTINGS

FILE = ROOT / "compose.yaml"
SCHEMA = Path(__file__).parent / "schemas" / "compose-spec.json"
PROMETHEUS = ROOT / "deploy" / "prometheus"
GRAFANA = ROOT / "deploy" / "grafana"
COMPOSE: dict[str, Any] = yaml.safe_load(FILE.read_text("utf-8"))
ALL: dict[str, dict[str, Any]] = COMPOSE["services"]
ONCE = {"topics", "campaignctl"}
"""They do one thing and end."""
NAMED = dict(re.findall(r"^(\w+)=(\S+)$", (ROOT / ".env").read_text("utf-8"), re.MULTILINE))


def filled(text: str) -> str:
    """A text of the file as compose reads it where nothing is set outside."""
    return re.sub(
        r"\$\{(\w+)(?::-([^}]*))?\}", lambda found: NAMED.get(found[1]) or found[2] or "", text
    )


def environment(service: str) -> dict[str, str]:
    given: dict[str, str | None] = ALL[service].get("environment", {})
    return {name: filled(value) for name, value in given.items() if value is not None}


def published(service: str) -> list[tuple[str, str]]:
    """Where outside, and which port inside."""
    ports = [filled(port).rpartition(":") for port in ALL[service].get("ports", [])]
    return [(outside, inside) for outside, _, inside in ports]


def test_it_is_what_the_compose_specification_says() -> None:
    validator = Draft202012Validator(json.loads(SCHEMA.read_text("utf-8")))
    assert [error.message for error in validator.iter_errors(COMPOSE)] == []
    broken = {**COMPOSE, "services": {**ALL, "redis": {"imagine": "redis"}}}
    assert list(validator.iter_errors(broken))


def test_docker_compose_reads_it() -> None:
    command = ["docker", "compose", "--project-directory", str(ROOT)]
    try:
        subprocess.run([*command, "version"], capture_output=True, check=True)
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("there is no docker compose here")
    subprocess.run([*command, "config", "--quiet"], check=True)


# ---- confined


@pytest.mark.parametrize("service", ALL)
def test_a_container_has_no_rights_and_writes_to_no_image(service: str) -> None:
    told = ALL[service]
    assert told["read_only"] is True
    assert told["cap_drop"] == ["ALL"]
    assert told["security_opt"] == ["no-new-privileges:true"]
    assert re.fullmatch(r"[1-9]\d*:\d+", told["user"])
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode"} & set(told)
    assert any(str(one).startswith("/tmp") for one in told["tmpfs"])
    bound = [one for one in told.get("volumes", []) if one.startswith(".")]
    assert all(one.endswith(":ro") for one in bound)


@pytest.mark.parametrize("service", ALL)
def test_what_is_published_is_published_on_loopback(service: str) -> None:
    assert all(outside.startswith("127.0.0.1:") for outside, _ in published(service))


def test_no_port_is_published_twice() -> None:
    ports = [outside for service in ALL for outside, _ in published(service)]
    assert len(ports) == len(set(ports))


@pytest.mark.parametrize("service", ALL)
def test_an_image_is_ours_or_of_one_version(dockerfile: Dockerfile, service: str) -> None:
    told = ALL[service]
    if "build" not in told:
        assert re.fullmatch(r"\$\{\w+_IMAGE\}", told["image"])
        tag = filled(told["image"]).partition("@")[0].rpartition(":")[2]
        assert re.search(r"\d+\.\d+", tag)
        return
    target = told["build"]["target"]
    assert target in dockerfile.stages
    assert ROOT / told["build"]["dockerfile"] == DOCKERFILE
    assert filled(told["image"]) == f"campaign-engine/{target}:development"
    arguments = told["build"]["args"]
    assert all(filled(value) == dockerfile.arguments[name] for name, value in arguments.items())
    (base,) = arguments.values()
    assert filled(base) == dockerfile.line(target)[0].parent


def test_every_image_that_is_named_is_used() -> None:
    text = FILE.read_text("utf-8")
    assert all(f"${{{name}}}" in text for name in NAMED if name.endswith("_IMAGE"))


# ---- told the right things


@pytest.mark.parametrize("service", SERVICES)
def test_every_variable_of_a_service_is_a_setting(
    dockerfile: Dockerfile, service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = SETTINGS[service]
    prefix = str(kind.model_config.get("env_prefix"))
    known = {f"{prefix}{name}".upper() for name in kind.model_fields}
    assert set(ALL[service]["environment"]) <= known
    for name, value in (dockerfile.settings(service) | environment(service)).items():
        monkeypatch.setenv(name, value)
    settings = kind()
    assert settings.kafka_bootstrap == "kafka:9092"
    assert urlsplit(settings.redis_url).hostname == "redis"
    assert not settings.provision_topics  # `topics` does


def test_the_command_line_knows_what_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    commands = get_command(app).commands.values()  # type: ignore[attr-defined]
    known = {
        name
        for command in commands
        for one in command.params
        for name in ([one.envvar] if isinstance(one.envvar, str) else one.envvar or [])
    }
    connections = {name.upper() for name in Connections.model_fields}
    for service in ("topics", "campaignctl"):
        assert set(ALL[service]["environment"]) <= known | connections
    assert ALL["topics"]["command"][0] in get_command(app).commands  # type: ignore[attr-defined]


def test_the_simulator_understands_its_command() -> None:
    told = parser().parse_args([filled(word) for word in ALL["carrier-simulator"]["command"]])
    assert (told.host, told.port, told.password) == ("0.0.0.0", 8088, "dialer")
    assert environment("dialer")["DIALER_CALL_RECORDS"] == str(told.call_records)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_is_asked_whether_it_is_ready_where_it_listens(service: str) -> None:
    asked = ALL[service]["healthcheck"]["test"][-1]
    assert f"http://127.0.0.1:{SERVICES[service]}/readyz" in asked


def test_the_simulator_or_asterisk_is_the_gateway() -> None:
    url = urlsplit(environment("dialer")["DIALER_ARI_URL"])
    for service in ("carrier-simulator", "asterisk"):
        assert url.hostname in ALL[service]["networks"]["default"]["aliases"]
        assert ALL["dialer"]["depends_on"][service]["required"] is False
        assert environment("dialer")["DIALER_ARI_PASSWORD"] == "dialer"
    assert [ALL[one]["profiles"] for one in ("carrier-simulator", "asterisk")] == [
        ["simulator"],
        ["asterisk"],
    ]
    assert NAMED["COMPOSE_PROFILES"] == "simulator"
    bind = (ROOT / "deploy" / "asterisk" / "http.conf").read_text("utf-8")
    assert f"bindport = {url.port}" in bind


# ---- in the right order


@pytest.mark.parametrize("service", set(ALL) - ONCE)
def test_whoever_stays_is_asked_how_it_is(service: str) -> None:
    assert ALL[service]["healthcheck"]["test"]
    assert ALL[service]["restart"] == "unless-stopped"


def test_whoever_is_waited_for_can_be_waited_for() -> None:
    for service, told in ALL.items():
        for other, how in told.get("depends_on", {}).items():
            wanted = "service_completed_successfully" if other in ONCE else "service_healthy"
            assert how["condition"] == wanted, f"{service} waits for {other}"
    for service in SERVICES:
        assert {"topics", "redis"} <= set(ALL[service]["depends_on"])
    assert set(ALL["topics"]["depends_on"]) == {"kafka"}


def test_every_volume_that_is_used_is_declared() -> None:
    used = {volume.partition(":")[0] for told in ALL.values() for volume in told.get("volumes", [])}
    assert {name for name in used if not name.startswith(".")} == set(COMPOSE["volumes"])
    for bound in used:
        assert not bound.startswith(".") or (ROOT / bound).exists()


def test_kafka_and_redis_keep_what_they_are_told() -> None:
    kafka = environment("kafka")
    assert kafka["KAFKA_PROCESS_ROLES"] == "broker,controller"  # KRaft, alone
    assert f"kafka:{kafka['KAFKA_LOG_DIRS']}" in ALL["kafka"]["volumes"]
    assert "--appendonly yes" in ALL["redis"]["command"]
    assert "--maxmemory-policy noeviction" in ALL["redis"]["command"]
    assert "redis:/data" in ALL["redis"]["volumes"]


# ---- seen


def test_prometheus_looks_where_the_services_are(promtool: Promtool, tmp_path: Path) -> None:
    text = (PROMETHEUS / "prometheus.yml").read_text("utf-8")
    looked_at = {
        one["job_name"]: (one["dns_sd_configs"][0]["names"], one["dns_sd_configs"][0]["port"])
        for one in yaml.safe_load(text)["scrape_configs"]
    }
    assert looked_at == {name: ([name], port) for name, port in SERVICES.items()}
    mounted = dict(one.split(":")[:2] for one in ALL["prometheus"]["volumes"])
    (rules,) = yaml.safe_load(text)["rule_files"]
    assert mounted["./deploy/prometheus/rules.yaml"] == rules
    here = text.replace(rules, str(PROMETHEUS / "rules.yaml"))
    (tmp_path / "prometheus.yml").write_text(here)
    promtool.run("check", "config", str(tmp_path / "prometheus.yml"))


def test_grafana_finds_prometheus_and_the_dashboards() -> None:
    folder = GRAFANA / "provisioning"
    (source,) = yaml.safe_load((folder / "datasources" / "prometheus.yaml").read_text())[
        "datasources"
    ]
    assert source["url"] == "http://prometheus:9090"
    (provider,) = yaml.safe_load((folder / "dashboards" / "campaign-engine.yaml").read_text())[
        "providers"
    ]
    mounted = dict(one.split(":")[:2] for one in ALL["grafana"]["volumes"])
    assert mounted["./deploy/grafana/dashboards"] == provider["options"]["path"]
    assert list((GRAFANA / "dashboards").glob("*.json"))
