"""What scales the services, who may do what on Kafka, what Prometheus is told: as the code is."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from contracts.topics import CATALOGUE

from deploy.helm import facts
from tests.deploy import rendering
from tests.deploy.manifests import PROGRAMS, Manifest, of_kind, program_of
from tests.deploy.promtool import Promtool
from tests.deploy.rendering import objects

DEBT = "campaign_engine_dial_debt_calls"
CALLS = "campaign_engine_originations_total"
OURS = '{namespace="campaign-engine",pod="%s"}'


def scaled(program: str) -> Manifest:
    all_ = of_kind(objects("values-high-availability"), "ScaledObject")
    return next(one for one in all_ if program_of(one) == program)


def triggers(program: str) -> list[dict[str, Any]]:
    told: list[dict[str, Any]] = scaled(program)["spec"]["triggers"]
    return told


@pytest.mark.parametrize("program", PROGRAMS)
def test_keda_knows_each_parameter_of_a_trigger(program: str) -> None:
    known = yaml.safe_load((rendering.CRDS / "keda-triggers.yaml").read_text("utf-8"))
    for trigger in triggers(program):
        assert set(trigger["metadata"]) <= set(known[trigger["type"]]["metadata"])
        assert all(isinstance(value, str) for value in trigger["metadata"].values())


def test_keda_knows_each_parameter_of_a_login() -> None:
    known = yaml.safe_load((rendering.CRDS / "keda-triggers.yaml").read_text("utf-8"))["kafka"]
    for one in of_kind(objects("values-high-availability"), "TriggerAuthentication"):
        told = {row["parameter"] for rows in one["spec"].values() for row in rows}
        assert told == {"username", "password", "ca"}
        assert told <= set(known["authentication"])


@pytest.mark.parametrize("program", ["campaign-manager", "flow-runner"])
def test_consumers_are_scaled_by_the_lag_of_each_topic_of_their_groups(program: str) -> None:
    watched = {
        (one["metadata"]["consumerGroup"], one["metadata"]["topic"]) for one in triggers(program)
    }
    assert watched == {
        (consumer, topic.name)
        for topic in CATALOGUE
        for consumer in topic.consumers
        if consumer.partition(".")[0] == program and not consumer.endswith("]")
    }


def test_nobody_is_scaled_to_nothing() -> None:
    for values in ("values-production", "values-high-availability"):
        for one in of_kind(objects(values), "ScaledObject", "HorizontalPodAutoscaler"):
            spec = one["spec"]
            assert spec.get("minReplicaCount", spec.get("minReplicas")) >= 2


def dialers_wanted(series: dict[str, str], asked: int, at: str, value: float | None) -> Manifest:
    """A story for promtool: what a trigger of the dialers' says of some series."""
    samples = [] if value is None else [{"labels": "{}", "value": value}]
    query = triggers("dialer")[asked]["metadata"]["query"]
    return {
        "interval": "15s",
        "input_series": [{"series": one, "values": values} for one, values in series.items()],
        "promql_expr_test": [{"expr": query, "eval_time": at, "exp_samples": samples}],
    }


def test_dialers_follow_their_debt_and_the_calls_of_now(promtool: Promtool, tmp_path: Path) -> None:
    first, second, stranger = OURS % "a", OURS % "b", '{namespace="other",pod="c"}'
    debt = {DEBT + first: "70x20", DEBT + second: "30x20", DEBT + stranger: "900x20"}
    calm = {DEBT + first: "2x20", DEBT + second: "1x20"}
    calls = {CALLS + first: "0+1500x20", CALLS + second: "0+1500x20"}
    stories = [
        dialers_wanted(debt, 0, "5m", 4),  # the two that there are, and one for each 50 calls
        dialers_wanted(calm, 0, "5m", None),  # nobody is asked for more
        dialers_wanted(calls, 1, "5m", 200),  # 200 a second, at 100 each: two dialers
    ]
    (tmp_path / "stories.yaml").write_text(yaml.safe_dump({"rule_files": [], "tests": stories}))
    promtool.run("test", "rules", str(tmp_path / "stories.yaml"))


# ---- Strimzi


def test_strimzi_makes_the_topics_of_the_catalogue() -> None:
    made = {
        one["metadata"]["name"]: one["spec"]
        for one in of_kind(objects("values-high-availability"), "KafkaTopic")
    }
    assert made.keys() == {name for topic in CATALOGUE for name in (topic.name, topic.dead_letter)}
    for topic in CATALOGUE:
        spec = made[topic.name]
        assert (spec["partitions"], spec["replicas"]) == (topic.partitions, 3)
        assert spec["config"]["cleanup.policy"] == topic.cleanup.value
        assert spec["config"]["min.insync.replicas"] == "2"


def test_topics_outlive_the_release() -> None:
    for one in of_kind(objects("values-high-availability"), "KafkaTopic"):
        assert one["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def rights(program: str) -> dict[str, set[str]]:
    """What a program's user may do, by resource."""
    users = of_kind(objects("values-high-availability"), "KafkaUser")
    user = next(one for one in users if program_of(one) == program)
    return {
        f"{rule['resource']['type']} {rule['resource']['name']}": set(rule["operations"])
        for rule in user["spec"]["authorization"]["acls"]
    }


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_may_read_what_it_consumes_and_write_what_it_tells(program: str) -> None:
    may = rights(program)
    for topic in CATALOGUE:
        consumers = [one for one in topic.consumers if one.partition(".")[0] == program]
        operations = may[f"topic {topic.name}"]
        assert not consumers or "Read" in operations
        assert program not in topic.producers or "Write" in operations
        assert not consumers or "Write" in may[f"topic {topic.dead_letter}"]
        for group in consumers:
            assert group.endswith("]") or may[f"group {group}"] == {"Read"}


def test_a_program_may_not_do_everything() -> None:
    assert "Write" not in rights("flow-runner")["topic call.events"]
    assert "Write" not in rights("dialer")["topic call.commands"]
    for program in PROGRAMS:
        assert not any(
            {"Create", "Alter", "Delete", "All"} & held for held in rights(program).values()
        )


# ---- monitoring


def test_prometheus_is_told_the_rules_with_whole_links(promtool: Promtool, tmp_path: Path) -> None:
    (told,) = of_kind(objects("values-production"), "PrometheusRule")
    known = yaml.safe_load((facts.ROOT / "deploy/prometheus/rules.yaml").read_text("utf-8"))
    told_rules = [rule for group in told["spec"]["groups"] for rule in group["rules"]]
    known_rules = [rule for group in known["groups"] for rule in group["rules"]]
    assert len(told_rules) == len(known_rules) > 0
    for rule, plain in zip(told_rules, known_rules, strict=True):
        link = rule["annotations"].pop("runbook_url")
        assert link == "https://docs.example.com/campaign-engine/" + plain["annotations"].pop(
            "runbook_url"
        )
        assert rule == plain
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump(told["spec"]))
    promtool.run("check", "rules", str(tmp_path / "rules.yaml"))


def test_prometheus_finds_every_service() -> None:
    all_ = objects("values-production")
    (monitor,) = of_kind(all_, "ServiceMonitor")
    selector = monitor["spec"]["selector"]
    (rule,) = selector["matchExpressions"]
    found = {
        program_of(one)
        for one in of_kind(all_, "Service")
        if selector["matchLabels"].items() <= one["metadata"]["labels"].items()
        and one["metadata"]["labels"][rule["key"]] in rule["values"]
    }
    assert found == set(PROGRAMS)


def test_grafana_is_given_every_dashboard() -> None:
    folder = facts.ROOT / "deploy" / "grafana" / "dashboards"
    told = {
        key.removeprefix("campaign-engine-"): text
        for one in of_kind(objects("values-production"), "ConfigMap")
        if one["metadata"]["labels"].get("grafana_dashboard") == "1"
        for key, text in one["data"].items()
    }
    assert told == {path.name: path.read_text("utf-8").strip() for path in folder.glob("*.json")}
