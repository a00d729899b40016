"""The chart: Kubernetes and the operators take what it renders, and it is what was looked at."""

import json
import re
import shutil
import tomllib
from copy import deepcopy
from inspect import getsource
from pathlib import Path
from typing import Any

import pytest
import yaml
from chassis import broker, lifecycle

from deploy.helm import facts, make_manifests
from tests.deploy import rendering
from tests.deploy.manifests import Manifest, containers, services
from tests.deploy.rendering import NEWEST, VALUES, flaws, objects

CHART = make_manifests.CHART

each_values = pytest.mark.parametrize("values", VALUES)
each_version = pytest.mark.parametrize("version", NEWEST)


# ---- what is written is what was last made


def test_the_files_of_the_chart_are_what_the_code_says() -> None:
    for path, text in facts.files().items():
        assert path.read_text("utf-8") == text, f"{path} is stale: run `make manifests`"


@each_values
def test_the_manifests_are_those_that_were_looked_at(values: str) -> None:
    known = make_manifests.GOLDEN / f"{values}.yaml"
    assert rendering.text(values) == known.read_text("utf-8"), "run `make manifests`, and look"


def test_the_kustomize_base_is_what_the_chart_renders() -> None:
    made = make_manifests.base()
    for path, text in made.items():
        assert path.read_text("utf-8") == text, f"{path} is stale: run `make manifests`"
    assert set(make_manifests.BASE.iterdir()) == made.keys()
    assert {rendering_id(one) for one in rendering.base()} == {
        rendering_id(one) for one in objects("values")
    }


def rendering_id(one: Manifest) -> tuple[str, str]:
    return one["kind"], one["metadata"]["name"]


def test_the_copies_are_of_all_rules_and_dashboards() -> None:
    rules = facts.files()[facts.FILES / "rules.yaml"]
    assert rules == (facts.ROOT / "deploy/prometheus/rules.yaml").read_text("utf-8")
    assert len([path for path in facts.files() if path.suffix == ".json"]) == len(
        list((facts.ROOT / "deploy/grafana/dashboards").glob("*.json"))
    )


# ---- what Kubernetes and the operators take


def test_the_three_newest_versions_are_known() -> None:
    assert len(NEWEST) == 3
    assert len({tuple(version.split(".")[:2]) for version in NEWEST}) == 3


@each_version
@each_values
def test_kubernetes_and_the_operators_take_every_object(values: str, version: str) -> None:
    assert [says for one in objects(values) for says in flaws(one, version)] == []


@each_version
def test_kubernetes_takes_the_kustomize_base(version: str) -> None:
    assert [says for one in rendering.base() for says in flaws(one, version)] == []


BROKEN: dict[str, tuple[str, tuple[str | int, ...], Any]] = {
    "an unknown field": ("Deployment", ("spec", "template", "spec", "hostNetwrok"), True),
    "a number as text": ("Deployment", ("spec", "revisionHistoryLimit"), "three"),
    "an unknown field of a policy": ("NetworkPolicy", ("spec", "egres"), []),
    "a topic without a number": ("KafkaTopic", ("spec", "partitions"), "six"),
    "a user of a strange kind": ("KafkaUser", ("spec", "authentication", "type"), "kerberos"),
    "a right to nothing": ("KafkaUser", ("spec", "authorization", "acls", 0), {"operations": []}),
    "an unknown field of KEDA's": ("ScaledObject", ("spec", "minReplicas"), 3),
    "a trigger without a type": ("ScaledObject", ("spec", "triggers"), [{"metadata": {}}]),
    "a monitor of nothing": ("ServiceMonitor", ("spec", "endpoint"), []),
    "a rule without a query": ("PrometheusRule", ("spec", "groups", 0, "rules"), [{"alert": "A"}]),
    "a login of an unknown kind": ("TriggerAuthentication", ("spec", "password"), "x"),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_a_broken_manifest_is_caught(what: str) -> None:
    kind, path, value = BROKEN[what]
    all_ = deepcopy(objects("values-high-availability"))
    one = next(each for each in all_ if each["kind"] == kind)
    assert flaws(one, NEWEST[-1]) == []
    place: Any = one
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert flaws(one, NEWEST[-1])


def test_every_kind_of_custom_resource_is_rendered_somewhere() -> None:
    """Otherwise its schema would check nothing."""
    rendered = {one["kind"] for values in VALUES for one in objects(values)}
    known = {
        yaml.safe_load(path.read_text("utf-8"))["kind"] for path in rendering.CRDS.glob("*_*.yaml")
    }
    assert known <= rendered
    assert {"HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Job"} <= rendered


@each_values
def test_helm_finds_nothing_to_complain_about(values: str) -> None:
    said = make_manifests.helm("lint", "--strict", str(CHART), "-f", str(CHART / f"{values}.yaml"))
    assert "0 chart(s) failed" in said


# ---- the values


def keys(told: Any, path: str = "") -> set[str]:
    """The paths of all values; a table of names that are up to the user is one value."""
    if not isinstance(told, dict) or not told:
        return {path}
    return {deep for key, value in told.items() for deep in keys(value, f"{path}.{key}")}


def described(schema: Any, all_: dict[str, Any], path: str = "") -> set[str]:
    """The paths of all values that a schema knows."""
    schema = all_.get(schema.get("$ref", "").rpartition("/")[2], schema)
    if "properties" not in schema:
        return {path}
    return {
        deep
        for key, value in schema["properties"].items()
        for deep in described(value, all_, f"{path}.{key}")
    }


def test_the_reference_names_every_value_and_no_other() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text("utf-8"))
    known = described(schema, schema["definitions"]) - {".global"}
    told = keys(yaml.safe_load((CHART / "values.yaml").read_text("utf-8")))
    open_ = {".monitoring.dashboards.labels.grafana_dashboard"}
    per_program = {f".image.digests.{name}" for name in (*facts.services(), "campaignctl")}
    assert told - open_ - {".image.digests"} - known == set()
    assert known - told - per_program <= {".monitoring.dashboards.labels"}


def test_the_chart_can_be_packed(tmp_path: Path) -> None:
    """A package holds what it needs: it renders the same where the repository is not."""
    make_manifests.helm("package", str(CHART), "--destination", str(tmp_path))
    (package,) = tmp_path.glob("*.tgz")
    shutil.unpack_archive(package, tmp_path)
    packed = make_manifests.render("values-production", chart=tmp_path / "campaign-engine")
    assert packed == rendering.text("values-production")


NOTES = 'notes: |\n{{ tpl (.Files.Get "NOTES.txt") . | indent 2 }}\n'


@pytest.mark.parametrize("values", ["values-laptop", "values-production"])
def test_the_notes_name_the_secrets_that_pods_ask_for(values: str, tmp_path: Path) -> None:
    """Helm shows notes only where there is a cluster, so they are rendered as a manifest here."""
    chart = shutil.copytree(CHART, tmp_path / "chart")
    shutil.copy(chart / "templates" / "NOTES.txt", chart / "NOTES.txt")
    (chart / "templates" / "notes.yaml").write_text(NOTES)
    shown = make_manifests.render(values, "--show-only", "templates/notes.yaml", chart=chart)
    asked = set()
    for _, one, pod in containers(objects(values)):
        for variable in one.get("env", ()):
            if ref := variable.get("valueFrom", {}).get("secretKeyRef"):
                asked.add(f"{ref['name']}: {ref['key']}")
        for volume in pod.get("volumes", ()):
            for item in volume.get("secret", {}).get("items", ()):
                asked.add(f"{volume['secret']['secretName']}: {item['key']}")
    assert {
        line.strip() for line in shown.splitlines() if re.fullmatch(r" +[\w-]+: \S+", line)
    } == asked


def test_the_version_is_that_of_the_project() -> None:
    told = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    project = tomllib.loads((facts.ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert told["version"] == told["appVersion"] == project["version"]


def test_the_bounds_of_a_hand_over_are_those_of_the_code() -> None:
    """What facts.py knows of numbers that stand in the middle of a call."""
    assert f"request_timeout_ms={facts.FLUSH_S * 1000:_.0f}," in getsource(broker)
    assert f"timeout_graceful_shutdown={facts.HTTP_S:.0f}," in getsource(lifecycle)


def test_the_page_tells_how_long_pods_may_take_to_end() -> None:
    page = (facts.ROOT / "docs" / "how-to" / "kubernetes.md").read_text("utf-8")
    for one in services(objects("values")):
        seconds = one["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
        assert f"{seconds} s" in page


def test_what_is_there_for_trying_out_is_what_compose_runs() -> None:
    images = dict(
        re.findall(r"^(\w+)_IMAGE=(\S+)$", (facts.ROOT / ".env").read_text("utf-8"), re.M)
    )
    told = yaml.safe_load((CHART / "values.yaml").read_text("utf-8"))["trial"]
    assert {name: told[name]["image"] for name in ("kafka", "redis")} == {
        "kafka": images["KAFKA"],
        "redis": images["REDIS"],
    }
