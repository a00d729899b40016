"""`campaignctl forget`: a person's number taken out of everything that the engine keeps."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from aiokafka import AIOKafkaProducer
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import KafkaError
from chassis import epoch as epochs
from chassis.broker import build_producer
from chassis.connections import Connections
from chassis.endings import end
from chassis.epoch import Epoch
from chassis.errors import TRANSIENT
from chassis.outbox import Outbox
from chassis.store import connect
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options
from campaignctl.errors import CannotGoOn
from campaignctl.forgetting import (
    Erased,
    Found,
    NotANumber,
    Refused,
    Spelling,
    Trace,
    erase,
    scan,
)
from campaignctl.forgetting.remains import Config, Goes, last_of
from campaignctl.forgetting.scanning import EVERY
from campaignctl.infrastructure.probes import without_secrets
from campaignctl.log import Log
from campaignctl.screen import a_console, or_cannot_say, print_json

NO_TRACE, LEFT = 0, 1

Number = Annotated[str, typer.Argument(help="As E.164: +12125550100.", show_default=False)]
Yes = Annotated[bool, typer.Option("--yes", help="Do it; without, it is only shown.")]
Check = Annotated[bool, typer.Option("--check", help="Exit with 1 while there is a trace left.")]
Lists = Annotated[
    bool, typer.Option("--also-do-not-call", help="Take it off the do-not-call lists too.")
]


@dataclass(frozen=True, slots=True)
class Told:
    """What there is to tell: what was forgotten, and what is left of the number."""

    masked: str
    erased: Erased | None
    traces: list[Trace]

    @property
    def left(self) -> list[Trace]:
        """What is to go and has not yet."""
        return [trace for trace in self.traces if trace.is_left]


def forget(
    number: Number,
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    redis_url: options.RedisUrl,
    yes: Yes = False,
    check: Check = False,
    also_do_not_call: Lists = False,
    json_: options.Json = False,
) -> None:
    """Take a person's number out of everything that the engine keeps, and say what is left when.

    Without `--yes` nothing is changed. Targets that have the number are withdrawn, with all that
    they say of their party; calls lose whom they reached. A number in a call is refused: nothing
    is changed until the call has ended. The entry on a do-not-call list stays, so that the number
    is not called again, unless you say otherwise. What Kafka keeps for a time cannot be rewritten:
    it is told by when it is gone. Killed half-way, it may be run again.

    The exit status is 2 when it could not be done, and with `--check` 1 while there is a trace.

    For example:

        campaignctl forget +12125550100 --kafka-bootstrap kafka:9092 --redis-url redis://redis/0
    """
    if yes and check:
        raise typer.BadParameter("--check only looks", param_hint="--yes")
    try:
        spelling = Spelling(number)
    except NotANumber as wrong:
        raise typer.BadParameter(str(wrong), param_hint="NUMBER") from None
    with or_cannot_say():
        told = asyncio.run(
            _forget(kafka_bootstrap, redis_url, spelling, is_done=yes, is_list_too=also_do_not_call)
        )
    if json_:
        print_json(_as_json(told))
    else:
        _show(a_console(), told, is_looking=not yes)
    raise typer.Exit(LEFT if check and told.left else NO_TRACE)


async def _forget(
    bootstrap: str, redis_url: str, spelling: Spelling, *, is_done: bool, is_list_too: bool
) -> Told:
    try:
        async with _connected(bootstrap, redis_url) as (outbox, producer):
            found = await _look(bootstrap, outbox, spelling)
            erased = None
            if is_done:
                erased = await erase(outbox, producer, found, spelling, is_list_too=is_list_too)
                found = await _look(bootstrap, outbox, spelling)
            configs = await _configs(bootstrap, list(found.counts))
        return Told(spelling.masked, erased, found.traces(configs))
    except Refused:
        raise CannotGoOn(
            "the number is in a call. Stop the campaign or wait until the call has ended, and run "
            "this again: what is done already is not done twice"
        ) from None
    except (*TRANSIENT, KafkaError, RedisError) as trouble:
        raise CannotGoOn(
            f"Kafka at {bootstrap}, Redis at {without_secrets(redis_url)} or the services are away "
            f"({trouble}). The services must run: they publish what is changed. Run this again"
        ) from trouble


@asynccontextmanager
async def _connected(
    bootstrap: str, redis_url: str
) -> AsyncIterator[tuple[Outbox, AIOKafkaProducer]]:
    epoch, url = Epoch(), Connections(redis_url=redis_url).redis
    first = connect(url)
    try:
        await epochs.adopt(first, epoch)
    finally:
        await first.aclose()
    outbox = Outbox(connect(url, epoch), epoch)
    producer = build_producer(Connections(kafka_bootstrap=bootstrap), "campaignctl-forget")
    listening = asyncio.create_task(outbox.listen())
    try:
        await producer.start()
        yield outbox, producer
    finally:
        await end(listening)
        await producer.stop()
        await outbox.redis.aclose()


async def _look(bootstrap: str, outbox: Outbox, spelling: Spelling) -> Found:
    async with Log(bootstrap, EVERY) as log:
        return await scan(log, outbox.redis, spelling)


async def _configs(bootstrap: str, topics: list[str]) -> dict[str, Config]:
    """Return the configuration of topics, as far as we may look at it."""
    if not topics:
        return {}
    admin = AIOKafkaAdminClient(**Connections(kafka_bootstrap=bootstrap).kafka)
    await admin.start()
    try:
        asked = [ConfigResource(ConfigResourceType.TOPIC, name) for name in topics]
        return {
            resource[3]: {entry[0]: entry[1] for entry in resource[4]}
            for response in await admin.describe_configs(asked)
            for resource in response.resources
            if resource[0] == 0
        }
    finally:
        await admin.close()


# ---- what is told


def _as_json(told: Told) -> dict[str, Any]:
    by = last_of(told.traces)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "number": told.masked,
        "forgotten": asdict(told.erased) if told.erased else None,
        "traces": [
            {
                "where": trace.where,
                "count": trace.count,
                "goes": trace.goes.name.lower(),
                "by": trace.by.isoformat(timespec="seconds") if trace.by else None,
            }
            for trace in told.traces
        ],
        "is_gone": not told.left,
        "gone_by": by.isoformat(timespec="seconds") if by else None,
    }


def _show(console: Console, told: Told, *, is_looking: bool) -> None:
    if told.erased is not None:
        counts = ", ".join(f"{many} {what}" for what, many in asdict(told.erased).items())
        console.print(f"[bold green]forgotten[/] at {datetime.now(UTC):%FT%TZ}: {counts}")
    if not told.traces:
        console.print(f"nothing that the engine keeps names {told.masked}")
        return
    table = Table("where", "how many", "goes", "gone by")
    for trace in told.traces:
        by = f"{trace.by:%F %H:%M}Z" if trace.by else ""
        table.add_row(escape(trace.where), str(trace.count), trace.goes.value, by)
    console.print(table)
    if is_looking and any(trace.goes is Goes.ERASED for trace in told.traces):
        console.print("[yellow]nothing is changed yet: add --yes[/]")
    _say_when(console, told)


def _say_when(console: Console, told: Told) -> None:
    if not told.left:
        console.print("no trace but the entry on the do-not-call list, which stays")
    elif by := last_of(told.traces):
        console.print(f"the last trace is gone by {by:%F %H:%M}Z; look again with --check")
    elif all(trace.goes in {Goes.BY_COMPACTION, Goes.BY_TIME} for trace in told.left):
        console.print("when the last trace is gone nobody can tell: a topic sets no limit")
    console.print("files that were exported and recordings of spoken texts are not looked into")
