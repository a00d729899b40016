"""Each alert fires on what it is for, and is over once that is; no other fires with it."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from campaignctl.metrics_page import families

from tests.deploy.promtool import Promtool

ROOT = Path(__file__).parents[2]
RULES = ROOT / "deploy" / "prometheus" / "rules.yaml"
PAGE = ROOT / "docs" / "how-to" / "alerts.md"
P = "campaign_engine_"
ALIVE = (f'{P}ready{{condition="start"}}', "1x200")

Series = tuple[str, str]
TROUBLE: dict[str, list[Series]] = {
    "Absent": [(f'{P}ready{{condition="start"}}', "_x20 1x100")],
    "RedisLost": [ALIVE, (f'{P}ready{{condition="state"}}', "0x20 1x100")],
    "NotReady": [ALIVE, (f'{P}ready{{condition="kafka"}}', "0x20 1x100")],
    "NotDialing": [
        ALIVE,
        (f'{P}running_campaigns{{waits_for="nothing"}}', "2x200"),
        (f'{P}originations_total{{answer="accepted"}}', "100x30 110+10x100"),
    ],
    "DialDebt": [ALIVE, (f"{P}dial_debt_calls", "60x20 3x100")],
    "OutboxStuck": [ALIVE, (f'{P}outbox_oldest_seconds{{namespace="dialing"}}', "20x20 0x100")],
    "ConsumerLag": [
        ALIVE,
        (f'{P}consumer_lag_messages{{group="g",topic="t",pod="a"}}', "9000x20 10x100"),
        (f'{P}consumer_lag_messages{{group="g",topic="t",pod="b"}}', "9000x20 10x100"),
    ],
    "DeadLetters": [ALIVE, (f'{P}dead_letters_total{{topic="call.events"}}', "0x10 1x150")],
    "AmbiguousAttempts": [
        ALIVE,
        (f'{P}attempts_total{{outcome="ambiguous"}}', "0+1x30 30x150"),
        (f'{P}attempts_total{{outcome="answered"}}', "0+10x200"),
    ],
    "GatewayRefuses": [
        ALIVE,
        (f'{P}originations_total{{answer="paused"}}', "0+5x30 150x150"),
        (f'{P}originations_total{{answer="accepted"}}', "0+10x200"),
    ],
    "CallersWait": [ALIVE, (f"{P}waiting_callers", "9x20 2x100")],
    "CommitsFail": [ALIVE, (f'{P}commits_total{{result="failed"}}', "0x5 1x150")],
    "EventLoopLate": [ALIVE, (f'{P}event_loop_delay_seconds{{pod="a"}}', "0.4x20 0.01x100")],
    "ApiErrors": [
        ALIVE,
        (f'{P}http_requests_total{{status="500"}}', "0+1x30 30x150"),
        (f'{P}http_requests_total{{status="200"}}', "0+9x200"),
    ],
}  # fmt: skip
"""What each alert is for, minute by half a minute: first the trouble, then calm."""


def alerts() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def firing(name: str) -> str:
    return f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'


def expected(name: str, at: str, value: int) -> dict[str, Any]:
    sample = {"labels": "{}", "value": value}
    return {"expr": firing(name), "eval_time": at, "exp_samples": [sample]}


def story(name: str, series: list[Series]) -> dict[str, Any]:
    others = [one["alert"] for one in alerts() if one["alert"] != f"CampaignEngine{name}"]
    return {
        "name": name,
        "interval": "30s",
        "input_series": [{"series": one, "values": values} for one, values in series],
        "promql_expr_test": [
            expected(f"CampaignEngine{name}", "9m30s", 1),
            *(expected(other, "9m30s", 0) for other in others),
            expected(f"CampaignEngine{name}", "45m", 0),
        ],
    }


def test_every_alert_fires_and_resolves_and_no_other_fires_with_it(
    promtool: Promtool, tmp_path: Path
) -> None:
    stories = [story(name, series) for name, series in TROUBLE.items()]
    told = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": stories}
    (tmp_path / "stories.yaml").write_text(yaml.safe_dump(told))
    promtool.run("test", "rules", str(tmp_path / "stories.yaml"))


def test_the_stories_are_of_all_alerts() -> None:
    assert {f"CampaignEngine{name}" for name in TROUBLE} == {one["alert"] for one in alerts()}


def test_a_story_of_another_trouble_is_not_believed(promtool: Promtool, tmp_path: Path) -> None:
    wrong = story("DialDebt", TROUBLE["CallersWait"])
    told = {"rule_files": [str(RULES)], "evaluation_interval": "30s", "tests": [wrong]}
    (tmp_path / "stories.yaml").write_text(yaml.safe_dump(told))
    with pytest.raises(subprocess.CalledProcessError):
        promtool.run("test", "rules", str(tmp_path / "stories.yaml"))


def test_the_rules_are_sound(promtool: Promtool) -> None:
    promtool.run("check", "rules", str(RULES))


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_metrics_that_exist_and_has_a_page(rule: dict[str, Any]) -> None:
    known = {name for family in families() for name in family.series}
    assert set(re.findall(rf"\b{P}\w+", rule["expr"])) <= known
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert ROOT / page == PAGE
    headings = re.findall(r"^## (\w+)$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert anchor in {heading.lower() for heading in headings}
    assert rule["labels"]["severity"] in {"warning", "critical"}
