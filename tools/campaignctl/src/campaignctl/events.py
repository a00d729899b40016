"""`campaignctl events`: the log as it was told, or as it is being told."""

import json
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from chassis.logs import mask_text
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options, sources
from campaignctl.filters import Filter, field_test
from campaignctl.infrastructure.ground import print_line
from campaignctl.log import LogRecord
from campaignctl.screen import a_console, print_json

COLOURS = {"call": "cyan", "flow": "magenta", "campaign": "bold green", "target": "blue"}
TOLD = (
    "status", "before", "cause", "outcome", "hangup_cause", "digit", "action_type", "how",
    "playback_id", "agent_id", "is_success", "due_at", "worker",
)  # fmt: skip
"""Fields of a message that its line shows."""

Types = Annotated[
    list[str] | None,
    typer.Option("--type", help="Such as call.settled; call. for all of calls."),
]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Such as call.events.")]
Campaign = Annotated[str | None, typer.Option(help="Those that name this campaign.")]
Target = Annotated[str | None, typer.Option(help="Those that name this target.")]
Call = Annotated[str | None, typer.Option(help="The story of this attempt (call).")]
Where = Annotated[
    list[str] | None,
    typer.Option(
        help="A test of a field: data.outcome==busy, data.hangup_cause>=34, data.text~hi."
    ),
]
Follow = Annotated[bool, typer.Option("--follow", "-f", help="Go on with what comes.")]
Tail = Annotated[int | None, typer.Option(min=1, help="Only the last so many of those asked for.")]
Count = Annotated[bool, typer.Option("--count", help="Count them by type instead.")]
Clear = Annotated[bool, typer.Option("--clear", help="Show numbers and texts, which are masked.")]


def events(
    *,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    type_: Types = None,
    topic: Topics = None,
    campaign: Campaign = None,
    target: Target = None,
    call: Call = None,
    where: Where = None,
    since: sources.Since = None,
    until: sources.Until = None,
    follow: Follow = False,
    tail: Tail = None,
    count: Count = False,
    clear: Clear = False,
    json_: options.Json = False,
) -> None:
    """Show the messages of the log in their order, those that are asked for.

    Headers decide first, so that most of a large log need not be parsed. With `--json` each
    message is one line, whole, as it stands on Kafka.

    For example:

        campaignctl events --kafka-bootstrap kafka:9092 --campaign 183c0d5c-... --since 15m

        campaignctl events --kafka-bootstrap kafka:9092 --type call.settled --where \
data.outcome==failed --follow

        campaignctl events --log monday.log.gz --count
    """
    which = sources.of_topics(sources.source(kafka_bootstrap, log, since, until), *(topic or ()))
    if not which.topics:
        raise typer.BadParameter(f"no such topic: {', '.join(topic or ())}", param_hint="--topic")
    if follow and (log is not None or until or count or tail):
        raise typer.BadParameter("--follow goes with a live Kafka, and not with an end or a count")
    try:
        tests = [field_test(one) for one in where or ()]
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--where") from error
    mentions = [one for one in (campaign, target) if one]
    wanted = Filter(tuple(type_ or ()), call, tuple(mentions), tuple(tests))
    console = a_console()
    is_whole = wanted == Filter() and which.since is which.until is None
    last = tail if is_whole and not count else None  # of each partition, these are enough
    which = replace(which, is_followed=follow, wants=wanted.may_take, last=last)
    with sources.reading(which) as read:
        found: Iterator[LogRecord] = (record for record in read() if wanted.takes(record))
        if count:
            _count(console, found, is_json=json_)
            return
        for record in deque(found, tail) if tail else found:
            if json_:
                print_line(_whole(record))
            else:
                console.print(as_line(record, is_clear=clear))


def _count(console: Console, found: Iterator[LogRecord], *, is_json: bool) -> None:
    counts = Counter((record.topic, record.type or "(no type)") for record in found)
    if is_json:
        print_json({type_: many for (_, type_), many in sorted(counts.items())})
        return
    table = Table("topic", "type", "messages", box=None, header_style="dim")
    for (topic, type_), many in sorted(counts.items()):
        table.add_row(topic, type_, f"{many:,}")
    table.add_row("", "[bold]all[/]", f"[bold]{counts.total():,}[/]")
    console.print(table)


def _whole(record: LogRecord) -> str:
    value = record.value.decode(errors="replace") if record.value is not None else "null"
    try:
        return json.dumps(json.loads(value), ensure_ascii=False)
    except ValueError:
        return json.dumps({"unreadable": value, "topic": record.topic, "offset": record.offset})


def as_line(record: LogRecord, *, is_clear: bool = False) -> str:
    """Return a record as one line for people."""
    at = datetime.fromtimestamp(record.timestamp_ms / 1000, UTC)
    type_ = record.type or "(no type)"
    colour = COLOURS.get(type_.partition(".")[0], "white")
    said = _said(record)
    return (
        f"[dim]{at:%Y-%m-%d %H:%M:%S.%f}"[:-3] + f"[/] [{colour}]{escape(type_):<24}[/] "
        f"{escape(record.key or '')} {escape(said if is_clear else mask_text(said))}"
    )


def _said(record: LogRecord) -> str:
    """Return the fields that tell most, in words."""
    if record.value is None:
        return "deleted"
    try:
        body: dict[str, Any] = json.loads(record.value)["data"]
    except (ValueError, KeyError, TypeError):
        return "unreadable"
    rows = dict(body)
    for whole in ("campaign", "target", "attempt"):
        if isinstance(inner := body.get(whole), dict):
            rows = {**inner, **rows}
    if isinstance(rows.get("destination"), dict):
        rows["worker"] = f"{rows.get('worker')}, to {rows['destination'].get('address')}"
    return ", ".join(f"{name} {rows[name]}" for name in TOLD if rows.get(name) not in (None, ""))
