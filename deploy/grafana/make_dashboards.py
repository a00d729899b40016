"""The dashboards: one for each question that an operator asks. `make dashboards` writes them.

A row of the table is a panel: its title, its kind, its unit, and what it asks Prometheus.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent / "dashboards"
P = "campaign_engine_"
WIDTH, HEIGHT = 12, 8
SOURCE = {"type": "prometheus", "uid": "${source}"}


@dataclass(frozen=True)
class Panel:
    """One picture.

    Attributes:
        asks: Each query with the legend of its lines.
        kind: `timeseries` or `stat`.
        unit: As Grafana names it.
    """

    title: str
    asks: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    unit: str = "short"


@dataclass(frozen=True)
class Question:
    """One dashboard."""

    name: str
    title: str
    panels: tuple[Panel, ...]


def quantile(share: float, name: str) -> str:
    """Return the query of a quantile of a histogram."""
    return f"histogram_quantile({share:g}, sum by (le) (rate({P}{name}_bucket[5m])))"


QUESTIONS = (
    Question(
        "dialing",
        "Is it dialing, and at what pace?",
        (
            Panel("Calls begun per second", ((f"sum(rate({P}originations_total[1m]))", "calls"),)),
            Panel("Open calls", ((f"sum by (status) ({P}open_calls)", "{{status}}"),)),
            Panel(
                "Attempts that end, per second",
                ((f"sum by (outcome) (rate({P}attempts_total[1m]))", "{{outcome}}"),),
            ),
            Panel(
                "Answered, of all that end",
                (
                    (
                        f'sum(rate({P}attempts_total{{outcome="answered"}}[5m])) '
                        f"/ sum(rate({P}attempts_total[5m]))",
                        "answered",
                    ),
                ),
                unit="percentunit",
            ),
            Panel("Campaigns that run", ((f"sum({P}running_campaigns)", "campaigns"),), "stat"),
            Panel(
                "Flows that end, per second",
                ((f"sum by (how) (rate({P}flows_total[1m]))", "{{how}}"),),
            ),
        ),
    ),
    Question(
        "why-not",
        "Why does it not dial?",
        (
            Panel(
                "Campaigns by what they wait for",
                ((f"sum by (waits_for) ({P}running_campaigns)", "{{waits_for}}"),),
            ),
            Panel(
                "Dial debt: what more dialers would dial", ((f"sum({P}dial_debt_calls)", "calls"),)
            ),
            Panel(
                "What the gateway says, per second",
                ((f"sum by (answer) (rate({P}originations_total[1m]))", "{{answer}}"),),
            ),
            Panel(
                "Permits, per second",
                ((f"sum by (answer) (rate({P}permits_total[1m]))", "{{answer}}"),),
            ),
            Panel(
                "Conditions of /readyz that do not hold",
                ((f"sum by (condition) (1 - {P}ready)", "{{condition}}"),),
            ),
            Panel(
                "Attempts taken over from silent dialers",
                ((f"sum(increase({P}adopted_attempts_total[5m]))", "in 5 min"),),
            ),
        ),
    ),
    Question(
        "callers",
        "Are callers waiting?",
        (
            Panel("Callers who wait for an agent", ((f"max({P}waiting_callers)", "callers"),)),
            Panel("Agents who are in a call", ((f"max({P}engaged_agents)", "agents"),)),
            Panel(
                "Actions that end, per second",
                (
                    (
                        f"sum by (action, how) (rate({P}flow_actions_total[1m]))",
                        "{{action}} {{how}}",
                    ),
                ),
            ),
            Panel(
                "How long a batch of call events takes the flow-runner",
                (
                    (
                        "histogram_quantile(0.99, sum by (le) "
                        f'(rate({P}batch_seconds_bucket{{group="flow-runner"}}[5m])))',
                        "99 %",
                    ),
                ),
                unit="s",
            ),
        ),
    ),
    Question(
        "loss",
        "Is anything lost?",
        (
            Panel(
                "Committed and not on Kafka yet",
                ((f"sum by (namespace) ({P}outbox_messages)", "{{namespace}}"),),
            ),
            Panel(
                "The oldest of these",
                ((f"max by (namespace) ({P}outbox_oldest_seconds)", "{{namespace}}"),),
                unit="s",
            ),
            Panel(
                "Dead letters in an hour",
                ((f"sum by (topic) (increase({P}dead_letters_total[1h]))", "{{topic}}"),),
            ),
            Panel(
                "Attempts of which nobody can say whether they rang, in an hour",
                ((f'sum(increase({P}attempts_total{{outcome="ambiguous"}}[1h]))', "ambiguous"),),
            ),
            Panel(
                "Changes that Redis refused, in an hour",
                ((f'sum(increase({P}commits_total{{result="failed"}}[1h]))', "failed"),),
            ),
            Panel(
                "Does Redis hold what was written",
                ((f'min({P}ready{{condition="state"}})', "1: yes"),),
                "stat",
            ),
        ),
    ),
    Question(
        "load",
        "Does it keep up?",
        (
            Panel(
                "Consumer lag",
                ((f"sum by (group, topic) ({P}consumer_lag_messages)", "{{group}} {{topic}}"),),
            ),
            Panel(
                "Messages handled per second",
                ((f"sum by (group) (rate({P}consumed_messages_total[1m]))", "{{group}}"),),
            ),
            Panel(
                "Messages published per second",
                ((f"sum by (topic) (rate({P}published_messages_total[1m]))", "{{topic}}"),),
            ),
            Panel(
                "How long Redis takes for a batch of changes",
                (
                    (quantile(0.5, "commit_seconds"), "half"),
                    (quantile(0.99, "commit_seconds"), "99 %"),
                ),
                unit="s",
            ),
            Panel(
                "How late the event loops are",
                ((f"max by (pod) ({P}event_loop_delay_seconds)", "{{pod}}"),),
                unit="s",
            ),
            Panel(
                "API: requests per second, and how long they take",
                (
                    (f"sum by (status) (rate({P}http_requests_total[1m]))", "{{status}}"),
                    (
                        "histogram_quantile(0.99, sum by (le) "
                        f"(rate({P}http_request_seconds_bucket[5m])))",
                        "99 %, seconds",
                    ),
                ),
            ),
        ),
    ),
)


def dashboard(question: Question) -> dict[str, Any]:
    """Return a dashboard as Grafana reads it."""
    return {
        "uid": f"campaign-engine-{question.name}",
        "title": f"Campaign engine: {question.title}",
        "tags": ["campaign-engine"],
        "schemaVersion": 39,
        "version": 1,
        "time": {"from": "now-1h", "to": "now"},
        "refresh": "10s",
        "templating": {
            "list": [
                {
                    "name": "source",
                    "label": "Prometheus",
                    "type": "datasource",
                    "query": "prometheus",
                }
            ]
        },
        "panels": [panel(one, place) for place, one in enumerate(question.panels)],
    }


def panel(one: Panel, place: int) -> dict[str, Any]:
    """Return a panel; two stand side by side."""
    return {
        "id": place + 1,
        "title": one.title,
        "type": one.kind,
        "datasource": SOURCE,
        "gridPos": {"x": place % 2 * WIDTH, "y": place // 2 * HEIGHT, "w": WIDTH, "h": HEIGHT},
        "fieldConfig": {"defaults": {"unit": one.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + n), "expr": expr, "legendFormat": legend, "datasource": SOURCE}
            for n, (expr, legend) in enumerate(one.asks)
        ],
    }


def files() -> dict[Path, str]:
    """Return what is to be written, by file."""
    return {
        FOLDER / f"{one.name}.json": json.dumps(dashboard(one), indent=2) + "\n"
        for one in QUESTIONS
    }


def main() -> None:
    """Write them."""
    FOLDER.mkdir(exist_ok=True)
    for path, text in files().items():
        path.write_text(text, encoding="utf-8")
        sys.stdout.write(f"{path.name}\n")


if __name__ == "__main__":
    main()
