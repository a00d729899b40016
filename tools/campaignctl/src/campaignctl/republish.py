"""`campaignctl republish` and `import`: recorded messages into a sandbox."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from rich.status import Status
from rich.table import Table

from campaignctl import options, sources
from campaignctl.errors import CannotGoOn
from campaignctl.exporting import of_campaign
from campaignctl.history import Range, read
from campaignctl.log import LogRecord
from campaignctl.publishing import cluster_of, make_room, send
from campaignctl.screen import a_console, print_json

File = Annotated[
    Path, typer.Argument(exists=True, dir_okay=False, help="What `export` has written.")
]
To = Annotated[str, typer.Option(metavar="HOST:PORT", help="The Kafka to write to.")]
Prefix = Annotated[str, typer.Option(help="Before the name of each topic, such as sandbox.")]
Append = Annotated[
    bool, typer.Option("--append", help="Also where the topics hold messages already.")
]
Rate = Annotated[
    float | None, typer.Option(min=0.1, help="Messages a second; as fast as it goes if left out.")
]
Send = Annotated[bool, typer.Option("--send", help="Really send them; without it, only count.")]
Topics = Annotated[list[str] | None, typer.Option("--topic", help="Only of these topics.")]
Campaign = Annotated[str | None, typer.Option(help="Only what belongs to this campaign.")]


def import_(
    file: File,
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    prefix: Prefix = "",
    append: Append = False,
    json_: options.Json = False,
) -> None:
    """Write an exported log into an empty Kafka, as it was: for a sandbox, or to look at it there.

    For example:

        campaignctl import monday.log.gz --kafka-bootstrap 127.0.0.1:9092

        campaignctl rebuild --kafka-bootstrap 127.0.0.1:9092 --redis-url redis://127.0.0.1/1
    """
    records = read(Range(file=file))
    _write(records, kafka_bootstrap, prefix, None, may_append=append, is_json=json_)


def republish(
    *,
    to: To,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    since: sources.Since = None,
    until: sources.Until = None,
    topic: Topics = None,
    campaign: Campaign = None,
    prefix: Prefix = "",
    rate: Rate = None,
    append: Append = False,
    send_: Send = False,
    json_: options.Json = False,
) -> None:
    """Send a part of the log anew, into topics of another name or into another cluster.

    Without `--send` it only says what it would send. The topics that it reads are never written.

    For example:

        campaignctl republish --kafka-bootstrap kafka:9092 --to kafka:9092 --prefix sandbox. \
--since 1h --send
    """
    which = sources.of_topics(sources.source(kafka_bootstrap, log, since, until), *(topic or ()))
    if not prefix and which.bootstrap is not None and _is_same(which.bootstrap, to):
        raise CannotGoOn("these are the topics that are read: give a --prefix, or another cluster")
    records = of_campaign(read, which, campaign) if campaign else read(which)
    if send_:
        _write(records, to, prefix, rate, may_append=append, is_json=json_)
        return
    counts = Counter(record.topic for record in records)
    if json_:
        print_json({"sent": 0, "would_send": dict(counts)})
        return
    table = Table("topic", "messages", box=None, header_style="dim")
    for name, many in sorted(counts.items()):
        table.add_row(f"{prefix}{name}", f"{many:,}")
    console = a_console()
    console.print(table)
    console.print(f"{counts.total():,} messages would go to {to}; --send sends them")


def _is_same(one: str, other: str) -> bool:
    async def ask() -> bool:
        return await cluster_of(one) == await cluster_of(other)

    try:
        return asyncio.run(ask())
    except KafkaError as trouble:
        raise CannotGoOn(f"Kafka at {one} or {other} is away: {trouble}") from trouble


def _write(
    records: Iterator[LogRecord],
    bootstrap: str,
    prefix: str,
    rate: float | None,
    *,
    may_append: bool,
    is_json: bool,
) -> None:
    async def write(status: Status) -> int:
        await make_room(bootstrap, prefix, may_append=may_append)
        return await send(
            bootstrap,
            records,
            prefix=prefix,
            per_second=rate,
            on_sent=lambda count: status.update(f"sending: {count:,} so far"),
        )

    try:
        with a_console(to_stderr=True).status("sending ...") as status:
            count = asyncio.run(write(status))
    except KafkaError as trouble:
        raise CannotGoOn(
            f"Kafka at {bootstrap} is away: {trouble}. What was sent stays; --append goes on, and "
            "whoever reads skips what it has seen."
        ) from trouble
    if is_json:
        print_json({"sent": count})
    else:
        a_console().print(f"[bold green]sent[/]: {count:,} messages to {bootstrap}")
