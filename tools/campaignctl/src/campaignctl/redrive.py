"""`campaignctl redrive`: dead letters listed, understood, mended and sent again."""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated

import typer
from aiokafka.errors import KafkaError
from chassis.broker import build_producer
from chassis.connections import Connections
from chassis.logs import mask_text
from contracts.topics import Cleanup
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options
from campaignctl.deadletters import DEAD, REDRIVEN, DeadLetter, dead_letters, faults, mended
from campaignctl.errors import CannotGoOn
from campaignctl.history import Range, read
from campaignctl.log import Log, LogRecord, of
from campaignctl.publishing import send
from campaignctl.screen import a_console, print_json

ALL_WELL, SOME_FAIL = 0, 1
LONGEST_WHY = 100
OVERTAKEN = (
    "a newer message of its key has followed, or may have, and the topic keeps the last one only"
)

Topic = Annotated[str | None, typer.Option(help="Only of this topic, such as call.events.")]
Type = Annotated[str | None, typer.Option("--type", help="Only of this type.")]
Why = Annotated[str | None, typer.Option(help="Only those whose reason has this text in it.")]
Place = Annotated[str | None, typer.Option(help="Only the one of topic/partition/offset.")]
Set = Annotated[
    list[str] | None, typer.Option("--set", help="Mend a field: data.digit=1; may be repeated.")
]
Unset = Annotated[
    list[str] | None, typer.Option("--unset", help="Take a field out; may be repeated.")
]
Send = Annotated[bool, typer.Option("--send", help="Really send them again.")]
Rate = Annotated[float, typer.Option(min=0.1, help="Messages a second.")]
All = Annotated[bool, typer.Option("--all", help="Also those that were sent again already.")]


def redrive(
    *,
    kafka_bootstrap: options.KafkaBootstrap,
    topic: Topic = None,
    type_: Type = None,
    why: Why = None,
    place: Place = None,
    set_: Set = None,
    unset: Unset = None,
    send_: Send = False,
    rate: Rate = 100.0,
    all_: All = False,
    json_: options.Json = False,
) -> None:
    """Show the messages that nobody could handle, beside what is wrong with them; send them again.

    Without `--send` nothing is sent: it says what would be, after mending, and what still fails
    its schema. Whoever reads a message twice skips it, so to send again is safe. The exit status
    is 1 while some of those asked for still fail.

    For example:

        campaignctl redrive --kafka-bootstrap kafka:9092

        campaignctl redrive --kafka-bootstrap kafka:9092 --place call.events/3/17 --set data.digit=1

        campaignctl redrive --kafka-bootstrap kafka:9092 --why "TimeoutError" --send --rate 10
    """
    asked = [
        one
        for one in _found(kafka_bootstrap)
        if (all_ or not one.is_redriven)
        and topic in (None, one.record.topic)
        and type_ in (None, one.record.type)
        and place in (None, one.place)
        and (why is None or why in one.why)
    ]
    ready, failing = _judged(asked, set_ or [], unset or [])
    overtaken = _overtaken(kafka_bootstrap, ready)
    failing += [(one, [OVERTAKEN]) for one in ready if one.place in overtaken]
    ready = [one for one in ready if one.place not in overtaken]
    sent = _send(kafka_bootstrap, ready, rate) if send_ else 0
    if json_:
        print_json(
            {
                "sent": sent,
                "ready": [_row(one) for one in ready],
                "failing": [_row(one) | {"faults": says} for one, says in failing],
            }
        )
    else:
        _show(a_console(), ready, failing, sent=sent, is_sent=send_)
    sys.exit(SOME_FAIL if failing else ALL_WELL)


def _found(bootstrap: str) -> list[DeadLetter]:
    async def read() -> list[DeadLetter]:
        found: list[tuple[LogRecord, dict[str, str]]] = []
        async with Log(bootstrap, DEAD) as log:
            ends = await log.unread()
            while ends:
                for records in await log.read(ends):
                    for record in records:
                        headers = {n: v.decode(errors="replace") for n, v in record.headers}
                        found.append((of(record), headers))
        return dead_letters(found)

    try:
        return asyncio.run(read())
    except KafkaError as trouble:
        raise CannotGoOn(f"Kafka at {bootstrap} is away: {trouble}") from trouble


def _overtaken(bootstrap: str, ready: Sequence[DeadLetter]) -> set[str]:
    """Return the places of the letters that a newer message of their key has followed.

    A compacted topic keeps the last message of each key: an old one that is sent again would
    take the place of the newer. So may one that does not say where it stood.
    """
    compacted = [one for one in ready if one.topic.cleanup is Cleanup.COMPACT]
    if not compacted:
        return set()
    stood = {(one.record.topic, one.stood_at[0]) for one in compacted if one.stood_at}
    topics = {one.topic.name: one.topic for one in compacted}
    which = Range(bootstrap=bootstrap, topics=tuple(topics.values()), partitions=frozenset(stood))
    last = {(one.topic, one.key): one.offset for one in read(which)} if stood else {}
    return {
        one.place
        for one in compacted
        if not one.stood_at or last.get((one.record.topic, one.record.key), -1) > one.stood_at[1]
    }


def _judged(
    asked: Sequence[DeadLetter], sets: Sequence[str], unsets: Sequence[str]
) -> tuple[list[DeadLetter], list[tuple[DeadLetter, list[str]]]]:
    """Return what can be sent, mended as asked, and what still fails with why."""
    ready: list[DeadLetter] = []
    failing: list[tuple[DeadLetter, list[str]]] = []
    for letter in asked:
        if letter.cut_from:
            says = [f"only a part of its {letter.cut_from} bytes was kept: it cannot be sent again"]
            failing.append((letter, says))
            continue
        try:
            value = letter.record.value or b""
            value = mended(value, sets, unsets) if sets or unsets else value
        except ValueError as error:
            failing.append((letter, [str(error)]))
            continue
        mended_letter = replace(letter, record=letter.record._replace(value=value))
        found = faults(letter.topic, value)
        if found:
            says = [
                f"{fault.path or 'message'}: {fault.says} (found {fault.found!r}"
                + (f", wanted {json.dumps(fault.wanted)})" if fault.wanted else ")")
                for fault in found
            ]
            failing.append((mended_letter, says))
        else:
            ready.append(mended_letter)
    return ready, failing


def _send(bootstrap: str, ready: Sequence[DeadLetter], rate: float) -> int:
    """Send each again, then note that it was; who is killed between sends it twice."""

    async def work() -> int:
        now_ms = round(datetime.now(UTC).timestamp() * 1000)
        records = [one.record._replace(timestamp_ms=now_ms) for one in ready]
        count = await send(bootstrap, records, per_second=rate)
        producer = build_producer(Connections(kafka_bootstrap=bootstrap), "campaignctl")
        await producer.start()
        try:
            for one in ready:
                key = one.record.key.encode() if one.record.key else None
                headers = [(REDRIVEN, one.place.encode())]
                await producer.send_and_wait(
                    one.topic.dead_letter, value=None, key=key, headers=headers, partition=0
                )
        finally:
            await producer.stop()
        return count

    try:
        return asyncio.run(work()) if ready else 0
    except KafkaError as trouble:
        raise CannotGoOn(f"Kafka at {bootstrap} is away: {trouble}; nothing is lost") from trouble


def _row(one: DeadLetter) -> dict[str, object]:
    at = datetime.fromtimestamp(one.record.timestamp_ms / 1000, UTC)
    value = (one.record.value or b"").decode(errors="replace")
    return {
        "place": one.place,
        "type": one.record.type,
        "subject": one.record.key,
        "at": at.isoformat(),
        "why": one.why,
        "is_redriven": one.is_redriven,
        "value": value,
    }


def _show(
    console: Console,
    ready: Sequence[DeadLetter],
    failing: Sequence[tuple[DeadLetter, list[str]]],
    *,
    sent: int,
    is_sent: bool,
) -> None:
    if not ready and not failing:
        console.print("[bold green]no dead letters[/] of those asked for")
        return
    table = Table("place", "type", "subject", "why it is here", box=None, header_style="dim")
    for one in (*ready, *(letter for letter, _ in failing)):
        table.add_row(
            one.place, one.record.type or "", one.record.key or "", escape(one.why[:LONGEST_WHY])
        )
    console.print(table)
    for letter, says in failing:
        console.print(f"[red]still fails[/]: {letter.place}")
        for line in says:
            console.print(f"  {escape(mask_text(line))}")
    if is_sent:
        console.print(f"[bold green]sent again[/]: {sent}")
    elif ready:
        console.print(f"{len(ready)} can be read now; --send sends them again")
