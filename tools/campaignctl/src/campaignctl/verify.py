"""`campaignctl verify`: were the promises kept?"""

import sys
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.console import Console
from rich.markup import escape
from rich.progress import Progress
from rich.table import Table

from campaignctl import options, sources
from campaignctl.client import Client
from campaignctl.errors import CannotGoOn
from campaignctl.log import open_text, read_lines
from campaignctl.screen import CANNOT_SAY, DIFFERS, SAME, a_console, or_cannot_say, print_json
from campaignctl.stack import PASSWORD, USERNAME
from campaignctl.verification import Ledgers, Promise, Verdicts, Word, verify
from campaignctl.verification.ledgers import Log as Told
from campaignctl.verification.reading import (
    ask_api,
    fold_lines,
    read_call_records,
    read_journal,
    read_log,
    up_to,
)

NAMED_AT_MOST = 20
COLOURS = {
    Word.OK: "green",
    Word.VIOLATED: "bold red",
    Word.CANNOT_SAY: "yellow",
    Word.NOT_ASKED: "dim",
}
CODES = {
    Word.OK: SAME,
    Word.NOT_ASKED: SAME,
    Word.VIOLATED: DIFFERS,
    Word.CANNOT_SAY: CANNOT_SAY,
}

CampaignIds = Annotated[
    list[str] | None, typer.Argument(metavar="[CAMPAIGN]...", help="These only; all if left out.")
]
Journal = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="The simulated network's journal."),
]
CallRecords = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="The gateway's call records (cdr_custom)."),
]
ApiUrl = Annotated[
    str | None,
    typer.Option(help="Root of the REST API, to hold its answers against the log too.",
                 envvar="CAMPAIGNCTL_API_URL"),
]  # fmt: skip
Export = Annotated[
    Path | None,
    typer.Option(dir_okay=False, help="Write the log to this file as well (.gz: compressed)."),
]


def verify_(
    campaign_ids: CampaignIds = None,
    *,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    journal: Journal = None,
    call_records: CallRecords = None,
    api_url: ApiUrl = None,
    username: options.Username = USERNAME,
    password: options.Password = PASSWORD,
    accesskey: options.Accesskey = None,
    export: Export = None,
    json_: options.Json = False,
) -> None:
    """Hold the promises against what was dialed, and name every violation.

    The witnesses are the log on Kafka, the network's journal or the gateway's call records, and
    the API; a promise for which a witness is missing is not asked about. The exit status is 0
    when all that was asked is kept, 1 when something is violated, and 2 when it cannot be
    said, or a witness cannot be read.

    For example:

        campaignctl verify --kafka-bootstrap kafka:9092 --call-records /var/log/cdr.csv

        campaignctl verify --log monday.jsonl.gz --journal journal.jsonl --json
    """
    if (kafka_bootstrap is None) == (log is None):
        raise typer.BadParameter("give either --kafka-bootstrap or --log")
    with or_cannot_say():
        answers = None
        if api_url is not None:
            with Client(api_url) as client:
                client.identify(username, password, accesskey)
                asked = campaign_ids or [row["id"] for row in client.every("/campaigns")]
                answers = ask_api(client, asked)
        told = _read(kafka_bootstrap, log, export)
        missing = set(campaign_ids or ()) - told.histories.keys()
        if missing:
            raise CannotGoOn(f"the log knows no campaign {', '.join(sorted(missing))}")
        begun, ended = read_call_records(call_records) if call_records else (None, {})
        if journal is not None:
            begun = read_journal(journal)
    verdicts = verify(
        Ledgers(
            log=told,
            originations=None if begun is None else up_to(told.read_at, begun),
            ended_at=ended,
            answers=answers,
            campaign_ids=tuple(campaign_ids or ()),
            is_shared=journal is None,
        )
    )
    if json_:
        print_json(as_json(verdicts))
    else:
        show(a_console(), verdicts)
    sys.exit(CODES[verdicts.word])


def _read(bootstrap: str | None, log: Path | None, export: Path | None) -> Told:
    if log is not None:
        return fold_lines(read_lines(log))
    console = a_console(to_stderr=True)
    with ExitStack() as at_end:
        file = at_end.enter_context(open_text(export, "w")) if export else None
        progress = at_end.enter_context(
            Progress(console=console, transient=True, disable=not console.is_terminal)
        )
        bar = progress.add_task("reading kafka", total=None)
        try:
            return read_log(
                str(bootstrap),
                export=file,
                on_progress=lambda done, total: progress.update(bar, completed=done, total=total),
            )
        except KafkaError as trouble:
            raise CannotGoOn(f"Kafka at {bootstrap} is away: {trouble}") from trouble


def as_json(verdicts: Verdicts) -> dict[str, object]:
    """Return the verdicts for programs."""
    return {
        "verdict": verdicts.word.value,
        "promises": {promise.name: verdicts.of(promise).value for promise in Promise},
        "rules": [verdict.as_json() for verdict in verdicts.each],
        "figures": verdicts.figures,
    }


def show(console: Console, verdicts: Verdicts) -> None:
    """Print a verdict per promise, then what was found."""
    table = Table("", "promise", "verdict", "looked at", box=None, header_style="dim")
    for promise in Promise:
        rules = [one for one in verdicts.each if one.rule.promise is promise]
        word = verdicts.of(promise)
        checked = "; ".join(dict.fromkeys(one.checked for one in rules if one.checked))
        coloured = f"[{COLOURS[word]}]{word.value}[/]"
        table.add_row(promise.name, promise.value, coloured, f"[dim]{checked}[/]")
    console.print(table)
    for found in verdicts.violations[:NAMED_AT_MOST]:
        console.print(f"[red]{found.promise} {found.oracle}[/] {escape(found.what)}")
    if (more := len(verdicts.violations) - NAMED_AT_MOST) > 0:
        console.print(f"[red]and {more} more[/] (--json has them all)")
    for why in verdicts.doubts[:NAMED_AT_MOST]:
        console.print(f"[yellow]cannot say[/]: {escape(why)}")
