"""`campaignctl diff`: does Redis hold what the log tells?"""

import asyncio
import sys

from aiokafka.errors import KafkaError
from chassis.epoch import Lost
from chassis.errors import TRANSIENT
from redis.exceptions import RedisError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options
from campaignctl.comparing import Comparison, compare
from campaignctl.errors import CannotGoOn
from campaignctl.infrastructure.probes import without_secrets
from campaignctl.screen import DIFFERS, SAME, a_console, or_cannot_say, print_json

AWAY: tuple[type[BaseException], ...] = (*TRANSIENT, KafkaError, RedisError)
SHOWN_AT_MOST = 20
LONGEST_VALUE = 80


def diff(
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    redis_url: options.RedisUrl,
    json_: options.Json = False,
) -> None:
    """Fold the log and hold it against Redis; name every difference.

    It only reads, and it may run beside a busy system: what is on its way is looked at again. The
    exit status is 0 when Redis holds what the log tells, 1 when it does not, and 2 when that
    cannot be said.

    For example:

        campaignctl diff --kafka-bootstrap kafka:9092 --redis-url redis://redis:6379/0
    """
    with or_cannot_say(), a_console(to_stderr=True).status("folding the log ..."):
        try:
            comparison = asyncio.run(compare(kafka_bootstrap, redis_url))
        except Lost as lost:
            raise CannotGoOn(str(lost)) from lost
        except AWAY as trouble:
            raise CannotGoOn(
                f"Kafka at {kafka_bootstrap} or Redis at {without_secrets(redis_url)} is away: "
                f"{trouble}"
            ) from trouble
    if json_:
        print_json(
            {
                "messages": comparison.messages,
                "compared": comparison.compared,
                "differences": [one.as_json() for one in comparison.found],
            }
        )
    else:
        show(a_console(), comparison)
    sys.exit(DIFFERS if comparison.found else SAME)


def show(console: Console, comparison: Comparison) -> None:
    """Print what was found."""
    for found in comparison.found[:SHOWN_AT_MOST]:
        console.print(f"[bold red]differs[/]: {escape(found.key)}")
        table = Table("where", "the log tells", "redis holds", box=None, header_style="dim")
        for place, (log, redis) in list(found.parts.items())[:SHOWN_AT_MOST]:
            table.add_row(escape(place), _short(log), _short(redis))
        console.print(table)
    if (more := len(comparison.found) - SHOWN_AT_MOST) > 0:
        console.print(f"[red]and {more} more[/] (--json has them all)")
    looked = f"{comparison.compared} keys, {comparison.messages} messages"
    if comparison.found:
        console.print(
            f"[bold red]{len(comparison.found)} differences[/] ({looked}). "
            "`campaignctl rebuild --force` makes Redis hold what the log tells."
        )
    else:
        console.print(f"[bold green]no difference[/] ({looked})")


def _short(value: object) -> str:
    text = str(value)
    return escape(text if len(text) <= LONGEST_VALUE else f"{text[: LONGEST_VALUE - 3]}...")
