"""`campaignctl rebuild`: Redis from Kafka."""

import asyncio
import time
from dataclasses import asdict
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from chassis.errors import TRANSIENT
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from campaignctl import options
from campaignctl.errors import CannotGoOn
from campaignctl.infrastructure.probes import without_secrets
from campaignctl.rebuilding import Rebuilding, Rebuilt, is_lost
from campaignctl.rebuilding import rebuild as rebuild_redis
from campaignctl.screen import a_console, print_json

AWAY: tuple[type[BaseException], ...] = (*TRANSIENT, KafkaError, RedisError)
SHOWN_EVERY_S = 0.2
LOOKED_EVERY_S = 2.0

Force = Annotated[
    bool, typer.Option("--force", help="Also when Redis holds all that was written to it.")
]


Watch = Annotated[
    bool, typer.Option("--watch", help="Stay, and rebuild whenever Redis has lost something.")
]


def rebuild(
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    redis_url: options.RedisUrl,
    force: Force = False,
    watch: Watch = False,
    json_: options.Json = False,
) -> None:
    """Make an empty, restarted or replaced Redis hold again what Kafka tells.

    The services stop by themselves when Redis has lost something: `/readyz` says so. They wait
    while this runs and go on by themselves after it; nothing is dialed twice, nothing is lost.
    Calls that are up stay up.

    For example:

        campaignctl rebuild --kafka-bootstrap kafka:9092 --redis-url redis://redis:6379/0
    """
    if not watch:
        asyncio.run(_rebuild(kafka_bootstrap, redis_url, is_forced=force, is_json=json_))
        return
    is_quiet = False
    while True:
        try:
            asyncio.run(
                _rebuild(
                    kafka_bootstrap, redis_url, is_forced=force, is_json=json_, is_quiet=is_quiet
                )
            )
            force, is_quiet = False, True
        except CannotGoOn as trouble:
            a_console(to_stderr=True).print(f"[yellow]{escape(str(trouble))}[/]")
        time.sleep(LOOKED_EVERY_S)


async def _rebuild(
    bootstrap: str,
    redis_url: str,
    *,
    is_json: bool,
    is_forced: bool = False,
    is_quiet: bool = False,
) -> None:
    try:
        if is_forced or await is_lost(bootstrap, redis_url):
            _say(a_console(), await _shown(bootstrap, redis_url), is_json=is_json)
        elif not is_quiet:
            _say(a_console(), None, is_json=is_json)
    except AWAY as trouble:
        raise CannotGoOn(
            f"Kafka at {bootstrap} or Redis at {without_secrets(redis_url)} is away: {trouble}. "
            "Both must be there; what was begun can be begun again."
        ) from trouble


async def _shown(bootstrap: str, redis_url: str) -> Rebuilt:
    """Rebuild, and show on a terminal how far it is."""
    told = Rebuilding()
    with Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=a_console(to_stderr=True),
        transient=True,
    ) as progress:
        bar = progress.add_task(told.step, total=None)
        work = asyncio.create_task(rebuild_redis(bootstrap, redis_url, told=told))
        while not work.done():
            progress.update(
                bar, description=told.step, completed=told.done, total=told.total or None
            )
            await asyncio.wait((work,), timeout=SHOWN_EVERY_S)
    return await work


def _say(console: Console, rebuilt: Rebuilt | None, *, is_json: bool) -> None:
    if is_json:
        print_json({"rebuilt": rebuilt is not None, **(asdict(rebuilt) if rebuilt else {})})
    elif rebuilt is None:
        console.print(
            "Redis holds all that was written to it: nothing to do (--force: all the same)"
        )
    else:
        console.print(
            f"[bold green]rebuilt[/]: {rebuilt.messages} messages read, {rebuilt.records} commands "
            f"written in {rebuilt.took_s:.1f} s"
        )
        if rebuilt.unreadable:
            console.print(f"[yellow]{rebuilt.unreadable} messages could not be read[/]")
