"""The demo's account of itself, for people and for programs."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl.summary import Evidence, by_kind, differences, figures
from campaignctl.verification import Verdicts
from campaignctl.verify import as_json, show


@dataclass(frozen=True, kw_only=True)
class Engine:
    """The engine that the demo runs on.

    Attributes:
        journal: The network's own record of originations; None: it cannot be had.
        call_records: What became of them, by the network; None: they cannot be had.
        is_own: Nobody else uses the engine.
        records: Where logs and journal can be read afterwards; None: this engine keeps its own.
        check: Raises when a program of the engine has ended.
        verdicts: Says how the promises were kept to a campaign; None: its log cannot be had.
    """

    api_url: str
    username: str
    password: str
    accesskey: str | None = None
    journal: Path | None
    call_records: Path | None
    is_own: bool
    records: Path | None
    check: Callable[[], None]
    verdicts: Callable[[str], Verdicts] | None = None


class Account:
    """What came of a campaign, and whether the witnesses agree."""

    def __init__(
        self, evidence: Evidence, engine: Engine, verdicts: Verdicts | None = None
    ) -> None:
        self._evidence = evidence
        self._engine = engine
        self._verdicts = verdicts
        self._figures = figures(evidence)
        self._kinds = by_kind(evidence)
        self._differences = differences(evidence)

    @property
    def is_proven(self) -> bool:
        """Whether all targets are done, nothing differs and every promise was kept."""
        return not self._differences and (self._verdicts is None or self._verdicts.is_ok)

    def as_json(self) -> dict[str, Any]:
        """Return the account for programs."""
        return {
            **self._figures.as_json(),
            "kinds": [
                {
                    "meaning": row.kind.meaning,
                    "targets": row.targets,
                    "answered": row.answered,
                    "attempts": row.attempts,
                }
                for row in self._kinds
            ],
            "differences": self._differences,
            "verdicts": None if self._verdicts is None else as_json(self._verdicts),
            "campaign_id": self._evidence.campaign_id,
            "api_url": self._engine.api_url,
            "journal": None if self._journal is None else str(self._journal),
            "logs": None if self._logs is None else str(self._logs),
        }

    def show(self, console: Console) -> None:
        """Print the account."""
        console.print()
        console.print(self._table_of_kinds())
        console.print(self._table_of_figures())
        self._show_agreement(console)
        if self._verdicts is not None:
            console.print()
            show(console, self._verdicts)
        self._show_places(console)

    def _table_of_kinds(self) -> Table:
        table = Table("what the targets do", box=None, padding=(0, 2), title_justify="left")
        for title in ("targets", "answered", "attempts"):
            table.add_column(title, justify="right")
        for row in self._kinds:
            counts = (row.targets, row.answered, row.attempts)
            table.add_row(escape(row.kind.meaning), *map(str, counts))
        return table

    def _table_of_figures(self) -> Table:
        told = self._figures
        table = Table("", box=None, padding=(0, 2))
        table.add_column("by the API", justify="right")
        table.add_column("by the network", justify="right")
        first = "-" if told.first_origination_ms is None else f"{told.first_origination_ms} ms"
        table.add_row("targets done", f"{told.done} of {told.targets}")
        table.add_row("  answered", str(told.answered), _or_dash(told.answered_calls))
        table.add_row("  exhausted", str(told.exhausted))
        table.add_row("attempts", str(told.attempts), _or_dash(told.originations))
        table.add_row("  of them retries", str(told.retries), _or_dash(told.repeated_originations))
        indent = [""] if told.originations is not None else []  # of the journal, where there is one
        table.add_row("calls per second", *indent, str(told.calls_per_second))
        table.add_row("first call after the start", *indent, first)
        table.add_row("duration", f"{told.duration_s} s")
        return table

    def _show_agreement(self, console: Console) -> None:
        console.print()
        for difference in self._differences:
            console.print(f"[bold red]differs:[/] {escape(difference)}")
        if self._differences:
            return
        if self._evidence.originations is None:
            console.print("Targets and attempts agree; there was no journal to compare with.")
        else:
            console.print(
                "[bold green]Every figure agrees with what the network itself has recorded.[/]"
            )

    def _show_places(self, console: Console) -> None:
        if self._engine.records is not None:
            console.print("\nWhere to look next:")
            console.print(f"  logs     {self._logs}", markup=False)
            console.print(f"  journal  {self._journal}", markup=False)
            console.print("  engine   campaignctl up (the same once more, to play with)")
            return
        api = f"{self._engine.api_url}/v1.0/campaigns/{self._evidence.campaign_id}"
        console.print("\nWhere to look next:")
        console.print(f"  campaign  {api}", markup=False)
        console.print(f"  attempts  {api}/campaigncalls", markup=False)

    @property
    def _journal(self) -> Path | None:
        records, journal = self._engine.records, self._engine.journal
        return records / journal.name if records and journal else journal

    @property
    def _logs(self) -> Path | None:
        return self._engine.records / "logs" if self._engine.records else None


def _or_dash(figure: int | None) -> str:
    return "-" if figure is None else str(figure)
