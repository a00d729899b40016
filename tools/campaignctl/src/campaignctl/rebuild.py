"""`campaignctl rebuild`: Redis from Kafka."""

import asyncio
from dataclasses import asdict
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

from campaignctl import options
from campaignctl.rebuilding import Rebuilding, Rebuilt, is_lost
from campaignctl.rebuilding import rebuild as rebuild_redis
from campaignctl.screen import a_console, print_json

SHOWN_EVERY_S = 0.2

Force = Annotated[
    bool, typer.Option("--force", help="Also when Redis holds all that was written to it.")
]


def rebuild(
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    redis_url: options.RedisUrl,
    force: Force = False,
    json_: options.Json = False,
) -> None:
    """Make an empty, restarted or replaced Redis hold again what Kafka tells.

    The services stop by themselves when Redis has lost something: `/readyz` says so. They wait
    while this runs and go on by themselves after it; nothing is dialed twice, nothing is lost.
    Calls that are up stay up.

    For example:

        campaignctl rebuild --kafka-bootstrap kafka:9092 --redis-url redis://redis:6379/0
    """
    asyncio.run(_rebuild(kafka_bootstrap, redis_url, is_forced=force, is_json=json_))


async def _rebuild(bootstrap: str, redis_url: str, *, is_forced: bool, is_json: bool) -> None:
    why = await is_lost(bootstrap, redis_url)
    if not why and not is_forced:
        _say(a_console(), None, is_json=is_json)
        return
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
    _say(a_console(), await work, is_json=is_json)


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
