"""What people see: lines and tables, with colour and movement on a terminal only."""

import json
import math
import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table

from campaignctl.census import Standing
from campaignctl.errors import CannotGoOn
from campaignctl.infrastructure.ground import print_line

SAME, DIFFERS, CANNOT_SAY = 0, 1, 2
"""Exit statuses of the commands that compare."""
PIPE_COLUMNS = 200
"""Of tables that no terminal bounds."""


def a_console(*, to_stderr: bool = False) -> Console:
    """Return a console that leaves what it prints as it is: no guessed colours, no wrapping."""
    console = Console(highlight=False, soft_wrap=True, stderr=to_stderr)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = PIPE_COLUMNS
    return console


@contextmanager
def or_cannot_say() -> Iterator[None]:
    """End with the status that says so where something cannot be read; 1 would be an answer."""
    try:
        yield
    except (CannotGoOn, OSError) as error:
        a_console(to_stderr=True).print(f"[bold red]error:[/] {escape(str(error))}")
        raise typer.Exit(CANNOT_SAY) from error


@contextmanager
def announcing(console: Console, title: str) -> Iterator[Callable[[str], None]]:
    """Yield a function that prints a line; on a terminal, the title moves below the lines."""

    def announce(line: str) -> None:
        console.print(escape(line))

    if console.is_terminal:
        with console.status(title):
            yield announce
    else:
        yield announce


def print_json(content: Mapping[str, Any]) -> None:
    """Write an object as one line to the standard output, at once."""
    print_line(json.dumps(content))


def as_line(standing: Standing) -> str:
    """Return the standing as one line, for logs and pipes."""
    return (
        f"{standing.elapsed_s:5.1f} s  {standing.status:<8} targets: {_counts(standing.targets)}; "
        f"attempts: {_counts(standing.attempts)}; ended: {_counts(standing.results)}; "
        f"{standing.rate:.1f} attempts/s{_to_go(standing)}"
    )


def as_panel(standing: Standing) -> Panel:
    """Return the standing as a panel with a bar, for terminals."""
    done, total = standing.targets["done"], standing.targets.total()
    rows = Table.grid(padding=(0, 2))
    rows.add_row("status", f"[bold]{escape(standing.status)}[/]")
    bar = Table.grid(padding=(0, 1))
    bar.add_row(ProgressBar(total=max(total, 1), completed=done, width=40), f"{done} of {total}")
    rows.add_row("targets done", bar)
    rows.add_row("targets", _counts(standing.targets))
    rows.add_row("attempts", _counts(standing.attempts))
    rows.add_row("ended", _counts(standing.results))
    pace = f"{standing.rate:.1f} attempts/s, {standing.elapsed_s:.0f} s so far"
    rows.add_row("pace", pace + _to_go(standing))
    return Panel(rows, title=escape(standing.name or standing.campaign_id), title_align="left")


@contextmanager
def showing(console: Console, *, line_every_s: float) -> Iterator[Callable[[Standing], None]]:
    """Yield a function that shows a standing: a live panel, or now and then a line."""
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            yield lambda standing: live.update(as_panel(standing), refresh=True)
        return
    told_at, told = -line_every_s, ""

    def tell(standing: Standing) -> None:
        nonlocal told_at, told
        if standing.elapsed_s - told_at >= line_every_s or standing.status != told:
            told_at, told = standing.elapsed_s, standing.status
            console.print(as_line(standing), markup=False)

    yield tell


def _to_go(standing: Standing) -> str:
    return f", about {math.ceil(standing.eta_s)} s to go" if standing.eta_s else ""


def _counts(counts: Counter[str]) -> str:
    return ", ".join(f"{many} {word}" for word, many in sorted(counts.items())) or "none"
