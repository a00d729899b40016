"""`docs/metrics.md`: every metric that a program declares. `make schemas` writes it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import chassis.metrics
import dialer.metrics
import flow_runner.metrics
from prometheus_client import Counter, Gauge, Histogram
from prometheus_client.metrics import MetricWrapperBase

PAGE = Path("docs") / "metrics.md"
DECLARED: tuple[tuple[str, ModuleType], ...] = (
    ("all", chassis.metrics),
    ("dialer", dialer.metrics),
    ("flow-runner", flow_runner.metrics),
)
SUFFIXES: dict[type[MetricWrapperBase], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_sum", "_count"),
}
HEAD = """# Metrics

Written by `make schemas` from what the programs declare. Every program serves its own at
`/metrics`, in the format of Prometheus. Names and labels are stable; what goes is deprecated for a
release first. No metric has a number, a name or an id of anybody in it.

| metric | kind | labels | of | meaning |
|---|---|---|---|---|
"""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        series: The names under which Prometheus finds it.
        of: The program that has it.
    """

    name: str
    kind: str
    labels: tuple[str, ...]
    of: str
    meaning: str
    series: tuple[str, ...]


def families() -> Iterator[Family]:
    """Yield all metrics, program by program."""
    for program, module in DECLARED:
        for metric in vars(module).values():
            if isinstance(metric, MetricWrapperBase):
                yield _family(metric, program)


def _family(metric: MetricWrapperBase, program: str) -> Family:
    (described,) = metric.describe()
    series = tuple(f"{described.name}{suffix}" for suffix in SUFFIXES[type(metric)])
    return Family(
        name=series[0] if len(series) == 1 else described.name,
        kind=described.type,
        labels=tuple(metric._labelnames),
        of=program,
        meaning=described.documentation,
        series=series,
    )


def page() -> str:
    """Return the page."""
    rows = (
        f"| `{one.name}` | {one.kind} | {', '.join(f'`{label}`' for label in one.labels)} "
        f"| {one.of} | {one.meaning} |\n"
        for one in families()
    )
    return HEAD + "".join(rows)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
