"""`campaignctl provision`: the topics of the engine, made and looked at."""

import asyncio
import sys
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from chassis.connections import Connections
from chassis.errors import Unfit
from chassis.provisioning import Flaw, flaws, provision
from rich.markup import escape

from campaignctl import options
from campaignctl.errors import CannotGoOn
from campaignctl.screen import a_console, print_json

AS_IT_SHOULD_BE, FLAWED = 0, 1

Replicas = Annotated[
    int,
    typer.Option(
        "--replication-factor", min=1, envvar="REPLICATION_FACTOR", help="Of topics made now."
    ),
]
Check = Annotated[bool, typer.Option("--check", help="Only look; make nothing.")]


def provision_(
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    replication_factor: Replicas = 1,
    check: Check = False,
    json_: options.Json = False,
) -> None:
    """Make the topics that are missing, and say what is wrong with those that are there.

    Topics that exist are never changed. The exit status is 1 while something is not as it should
    be: a topic that is missing, too few replicas, another number of partitions or another policy.

    For example:

        campaignctl provision --kafka-bootstrap kafka:9092 --replication-factor 3
    """
    made, found = asyncio.run(_provision(kafka_bootstrap, replication_factor, check=check))
    if json_:
        print_json({"made": made, "flaws": [flaw.says for flaw in found]})
    else:
        console = a_console()
        for name in made:
            console.print(f"[green]made[/]: {escape(name)}")
        for flaw in found:
            console.print(f"[red]wrong[/]: {escape(flaw.says)}")
        if not found:
            console.print("[bold green]all topics are as they should be[/]")
    sys.exit(FLAWED if found else AS_IT_SHOULD_BE)


async def _provision(bootstrap: str, replicas: int, *, check: bool) -> tuple[list[str], list[Flaw]]:
    where = Connections(kafka_bootstrap=bootstrap)
    try:
        made = [] if check else await provision(where, replicas=replicas)
        return made, await flaws(where, replicas=replicas)
    except Unfit as refused:
        raise CannotGoOn(str(refused)) from refused
    except KafkaError as trouble:
        raise CannotGoOn(f"Kafka at {bootstrap} is away: {trouble}") from trouble
