"""`campaignctl export`: a part of the log as one file that a replay needs nothing beside."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from campaignctl import options, sources
from campaignctl.errors import CannotGoOn
from campaignctl.exporting import Read, of_attempt, of_campaign, of_time
from campaignctl.history import Range, read
from campaignctl.log import LogRecord, header, open_text, write_line
from campaignctl.redacting import Redaction
from campaignctl.screen import a_console, print_json

File = Annotated[
    Path,
    typer.Argument(dir_okay=False, help="What to write; compressed where the name ends with .gz."),
]
Campaign = Annotated[str | None, typer.Option(help="All that belongs to this campaign.")]
Attempt = Annotated[str | None, typer.Option(help="All that belongs to this attempt (call).")]
Redact = Annotated[
    bool, typer.Option("--redact", help="Replace every number and text, each always by the same.")
]


def export(
    file: File,
    *,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    campaign: Campaign = None,
    attempt: Attempt = None,
    since: sources.Since = None,
    until: sources.Until = None,
    redact: Redact = False,
    json_: options.Json = False,
) -> None:
    """Write a campaign, a call or a stretch of time to one file, with all that a replay needs.

    Passwords and access keys are never written. `replay`, `trace`, `verify` and `events` read
    the file with `--log`; dropped into `tests/replays/` it becomes a regression test.

    For example:

        campaignctl export story.log.gz --kafka-bootstrap kafka:9092 --attempt 03a7e2c4-...

        campaignctl export monday.log.gz --kafka-bootstrap kafka:9092 --since 2h --redact
    """
    if campaign and attempt:
        raise typer.BadParameter("give --campaign or --attempt, not both")
    if (campaign or attempt) and (since or until):
        raise typer.BadParameter("a campaign or an attempt is exported whole: leave the times out")
    which = sources.source(kafka_bootstrap, log, since, until)
    if log is not None and file.resolve() == log.resolve():
        raise CannotGoOn("the file to write is the one to read")
    what = campaign or attempt or "everything"
    records = _records(read, which, campaign, attempt)
    redaction = Redaction() if redact else None
    count, part = 0, file.with_name(f".{file.name}")
    try:
        with a_console(to_stderr=True).status("exporting ..."), open_text(part, "w") as out:
            written_at = datetime.now(UTC).isoformat(timespec="seconds")
            out.write(header(what=what, written_at=written_at, is_redacted=redact))
            for record in records:
                kept = redaction.record(record) if redaction else record
                if kept is not None:
                    write_line(out, kept)
                    count += 1
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    if json_:
        print_json({"file": str(file), "messages": count, "is_redacted": redact})
    else:
        console = a_console()
        console.print(f"[bold green]exported[/]: {count} messages to {escape(str(file))}")


def _records(
    read_: Read, which: Range, campaign: str | None, attempt: str | None
) -> Iterator[LogRecord]:
    if campaign is not None:
        return of_campaign(read_, which, campaign)
    if attempt is not None:
        return of_attempt(read_, which, attempt)
    return of_time(read_, which)
