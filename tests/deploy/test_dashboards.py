"""The dashboards: up to date, and every query asks for metrics and labels that there are."""

import importlib.util
import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from campaignctl.metrics_page import families

from tests.deploy.promtool import Promtool

FOLDER = Path(__file__).parents[2] / "deploy" / "grafana" / "dashboards"
SCRIPT = FOLDER.parent / "make_dashboards.py"
FILES = sorted(FOLDER.glob("*.json"))
GIVEN = {"le", "pod", "job", "instance", "namespace", "outcome"}
"""Labels that Prometheus or a histogram adds."""


def made() -> dict[str, str]:
    """What the script writes, by name of the file."""
    spec = importlib.util.spec_from_file_location("make_dashboards", SCRIPT)
    assert spec
    assert spec.loader
    sys.modules[spec.name] = module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return {path.name: text for path, text in module.files().items()}


def queries(path: Path) -> list[str]:
    panels: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["panels"]
    return [target["expr"] for panel in panels for target in panel["targets"]]


def test_the_files_are_what_the_table_says() -> None:
    assert {path.name: path.read_text("utf-8") for path in FILES} == made()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_query_asks_for_what_there_is(path: Path) -> None:
    known = {name: family for family in families() for name in family.series}
    for query in queries(path):
        asked = re.findall(r"campaign_engine_\w+", query)
        assert asked
        labels = {label for name in asked for label in known[name].labels}
        grouped = re.findall(r"by \(([^)]*)\)", query)
        wanted = {label.strip() for group in grouped for label in group.split(",")}
        wanted |= set(re.findall(r"[{,]\s*(\w+)\s*=", query))
        assert wanted <= labels | GIVEN, query


def test_prometheus_understands_every_query(promtool: Promtool, tmp_path: Path) -> None:
    rules = [
        {"record": f"query_{n}", "expr": query}
        for n, query in enumerate(query for path in FILES for query in queries(path))
    ]
    told = {"groups": [{"name": "queries", "rules": rules}]}
    (tmp_path / "queries.yaml").write_text(yaml.safe_dump(told))
    promtool.run("check", "rules", str(tmp_path / "queries.yaml"))


def test_every_alert_can_be_looked_into() -> None:
    """What an alert asks for is on a dashboard, too."""
    rules = (FOLDER.parents[1] / "prometheus" / "rules.yaml").read_text("utf-8")
    alerted = set(re.findall(r"campaign_engine_\w+", rules))
    shown = {name for path in FILES for query in queries(path) for name in
             re.findall(r"campaign_engine_\w+", query)}  # fmt: skip
    assert alerted <= shown
