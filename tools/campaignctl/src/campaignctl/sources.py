"""Where the commands that read the log read it from, and how far they are."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from campaignctl.history import Range, read
from campaignctl.log import LogRecord
from campaignctl.moments import moment
from campaignctl.screen import a_console

Bootstrap = Annotated[
    str | None,
    typer.Option(help="Kafka's address, host:port: the log of a live system.",
                 envvar="KAFKA_BOOTSTRAP"),
]  # fmt: skip
LogFile = Annotated[
    Path | None, typer.Option(exists=True, dir_okay=False, help="A log that was exported.")
]
Since = Annotated[
    str | None, typer.Option(help="From then on: 2026-11-23T14:03:07Z, 14:03:07, or 15m ago.")
]
Until = Annotated[str | None, typer.Option(help="Up to then, written the same way.")]


def source(
    bootstrap: str | None,
    file: Path | None,
    since: str | None = None,
    until: str | None = None,
) -> Range:
    """Return the range that the options name.

    Raises:
        typer.BadParameter: They name none.
    """
    if file is None and bootstrap is None:
        raise typer.BadParameter("give either --kafka-bootstrap or --log")
    return Range(
        bootstrap=None if file is not None else bootstrap,
        file=file,
        since=at(since, "--since"),
        until=at(until, "--until"),
    )


def at(text: str | None, option: str) -> datetime | None:
    """Return the moment that an option names.

    Raises:
        typer.BadParameter: It names none.
    """
    try:
        return moment(text, datetime.now(UTC)) if text else None
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from error


@contextmanager
def reading(which: Range) -> Iterator[Callable[[], Iterator[LogRecord]]]:
    """Yield what reads the log; on a terminal, a bar below shows how far it is."""
    console = a_console(to_stderr=True)
    with Progress(
        TextColumn("reading the log"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.speed:,.0f}/s" if console.is_terminal else ""),
        console=console,
        transient=True,
        disable=not console.is_terminal or which.is_followed,
    ) as progress:
        bar = progress.add_task("", total=None)
        yield lambda: read(
            which, lambda done, total: progress.update(bar, completed=done, total=total or None)
        )


def of_topics(which: Range, *names: str) -> Range:
    """Return the same range of these topics only; all, if none is named."""
    kept = tuple(topic for topic in which.topics if not names or topic.name in names)
    return replace(which, topics=kept)
