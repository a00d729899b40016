"""`campaignctl trace`: the whole story of a call or a target."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from chassis.logs import mask_text
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options, sources
from campaignctl.history import read
from campaignctl.screen import a_console, print_json
from campaignctl.tracing import (
    Parent,
    Phase,
    Story,
    Told,
    doubts,
    gather,
    parents,
    phases,
    silences,
    words_of,
)
from campaignctl.tracing.page import page

BAR = 32
Id = Annotated[
    str, typer.Argument(metavar="ATTEMPT|CALL|TARGET", help="An id, as the API shows it.")
]
Html = Annotated[
    Path | None, typer.Option(dir_okay=False, help="Write one page that needs nothing beside.")
]
Clear = Annotated[bool, typer.Option("--clear", help="Show numbers and texts, which are masked.")]


def trace(
    id_: Id,
    *,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    html: Html = None,
    clear: Clear = False,
    json_: options.Json = False,
) -> None:
    """Tell the whole story of a call, or of all calls of a target: what led to what, and when.

    What is marked with ~ was not recorded as a cause, but follows from what the messages say.

    For example:

        campaignctl trace 03a7e2c4-51d8-4b1f-9c3e-6d2f8a9b0c1d --kafka-bootstrap kafka:9092

        campaignctl trace 03a7e2c4-... --log monday.log.gz --html call.html
    """
    story = gather(read, sources.source(kafka_bootstrap, log), id_)
    told = as_json(story, is_clear=clear)
    if html is not None:
        html.write_text(page(told), encoding="utf-8")
    if json_:
        print_json(told)
    elif html is not None:
        a_console().print(f"written: {escape(str(html))}")
    else:
        show(a_console(), told)


def as_json(story: Story, *, is_clear: bool = False) -> dict[str, Any]:
    """Return a story for programs: messages with what led to them, phases, and what is doubtful."""
    led_by = parents(story.messages)
    began = story.messages[0].at
    return {
        "about": story.name,
        "began_at": began.isoformat(),
        "messages": [_row(one, led_by.get(one.id), began, is_clear) for one in story.messages],
        "phases": [_span(one, began) for one in phases(story.messages)],
        "silences": silences(story.messages),
        "doubts": [
            *doubts(story.messages, led_by),
            *([f"{story.unreadable} messages cannot be read"] if story.unreadable else []),
        ],
        "repeated": story.repeated,
    }


def _row(told: Told, parent: Parent | None, began: datetime, is_clear: bool) -> dict[str, Any]:
    said = words_of(told.type, told.body)
    return {
        "id": told.id,
        "type": told.type,
        "source": told.source,
        "subject": told.subject,
        "at": told.at.isoformat(),
        "after_ms": round((told.at - began).total_seconds() * 1000),
        "led_by": parent.id if parent else None,
        "is_inferred": parent.is_inferred if parent else None,
        "says": said if is_clear else mask_text(said),
    }


def _span(phase: Phase, began: datetime) -> dict[str, Any]:
    lasted = (phase.end - phase.begin).total_seconds() if phase.end else None
    return {
        "phase": phase.name,
        "attempt_id": phase.attempt_id,
        "after_ms": round((phase.begin - began).total_seconds() * 1000),
        "lasted_ms": None if lasted is None else round(lasted * 1000),
    }


def show(console: Console, told: dict[str, Any]) -> None:
    """Print a story: the tree of causes, the time line, and what is doubtful."""
    console.print(f"[bold]{escape(told['about'])}[/], from {told['began_at']}")
    for depth, row in in_order_of_cause(told["messages"]):
        mark = "[dim]~[/]" if row["is_inferred"] else " "
        when = f"[dim]{row['after_ms'] / 1000:+9.3f} s[/]"
        console.print(
            f"{when} {'  ' * depth}{mark}[cyan]{row['type']}[/] {escape(row['says'])}".rstrip()
        )
    _show_phases(console, told)
    for line in told["silences"]:
        console.print(f"[yellow]silence[/]: {escape(line)}")
    for line in told["doubts"]:
        console.print(f"[yellow]cannot be known[/]: {escape(line)}")
    if told["repeated"]:
        console.print(f"[dim]{told['repeated']} messages stood in the log more than once[/]")


def in_order_of_cause(rows: Sequence[dict[str, Any]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield each message below the one that led to it, with how deep it stands."""
    below: dict[str | None, list[dict[str, Any]]] = {}
    for row in rows:
        below.setdefault(row["led_by"], []).append(row)
    waiting = [(0, row) for row in reversed(below.pop(None, []))]
    while waiting:
        depth, row = waiting.pop()
        yield depth, row
        waiting += [(depth + 1, one) for one in reversed(below.pop(row["id"], []))]


def _show_phases(console: Console, told: dict[str, Any]) -> None:
    total = max((row["after_ms"] for row in told["messages"]), default=0) or 1
    table = Table("", "from", "lasts", "phase", box=None, header_style="dim", padding=(0, 1))
    for row in told["phases"]:
        lasted = row["lasted_ms"]
        begin = min(BAR - 1, row["after_ms"] * BAR // total)
        width = max(1, (BAR - begin if lasted is None else lasted * BAR // total))
        bar = " " * begin + "#" * min(width, BAR - begin)
        shown = "?" if lasted is None else f"{lasted / 1000:.3f} s"
        table.add_row(
            f"[cyan]{bar:<{BAR}}[/]", f"{row['after_ms'] / 1000:.3f} s", shown, row["phase"]
        )
    if told["phases"]:
        console.print(table)
