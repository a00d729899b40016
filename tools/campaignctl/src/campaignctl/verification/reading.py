"""Read the witnesses: the network's journal or call records, the log, the answers of the API."""

import asyncio
import csv
import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO, Any

from contracts.topics import CATALOGUE

from campaignctl.client import Client
from campaignctl.errors import CannotGoOn
from campaignctl.log import Log, LogRecord, Places, of, write_line
from campaignctl.stack import Stack
from campaignctl.verification.folding import TOPICS, LogFold
from campaignctl.verification.ledgers import Ledgers, Origination, Shown
from campaignctl.verification.ledgers import Log as Told

UNIQUE_ID, DST, START, END = 0, 1, 2, 4
SECOND = timedelta(seconds=1)
SLOTS = range(5)
Progress = Callable[[int, int], None]


def read_journal(path: Path, offset: int = 0) -> list[Origination]:
    """Return the originations of the simulated network's journal, in their order.

    Args:
        path: The journal.
        offset: Where to begin, in bytes.

    Raises:
        CannotGoOn: It cannot be read, or is none.
    """
    found = []
    for number, line in _lines(path, offset):
        try:
            row = json.loads(line)
            at = datetime.fromisoformat(row["at"])
            found.append(Origination(row["channel_id"], row["number"], at, at))
        except (ValueError, KeyError, TypeError) as error:
            raise CannotGoOn(f"{path}, line {number}: no line of a journal") from error
    return sorted(found, key=lambda one: one.at)


def read_call_records(path: Path, offset: int = 0) -> tuple[list[Origination], dict[str, datetime]]:
    """Return the originations that a gateway's call records tell, and when each call had ended.

    The instants are whole seconds: a call began within the second that its record names. One that
    was bridged has several, each from where the one before ends: together they are one call.

    Args:
        path: The records.
        offset: Where to begin, in bytes.

    Raises:
        CannotGoOn: They cannot be read, or are none.
    """
    begun: list[Origination] = []
    ended: dict[str, datetime] = {}
    for start, end, channel_id, number in sorted(_spans(path, offset)):
        if channel_id not in ended or start > ended[channel_id] + SECOND:
            begun.append(Origination(channel_id, number, start, start + SECOND))
        ended[channel_id] = max(end, ended.get(channel_id, end))
    return begun, ended


def _spans(path: Path, offset: int) -> Iterator[tuple[datetime, datetime, str, str]]:
    for number, line in _lines(path, offset):
        row = next(csv.reader([line]))
        try:
            start = datetime.fromisoformat(row[START]).replace(tzinfo=UTC)
            end = datetime.fromisoformat(row[END]).replace(tzinfo=UTC)
        except (ValueError, IndexError) as error:
            raise CannotGoOn(f"{path}, line {number}: no call record") from error
        yield start, end, row[UNIQUE_ID], row[DST]


def _lines(path: Path, offset: int) -> Iterator[tuple[int, str]]:
    """Yield the whole lines of a file that may still be written."""
    try:
        with path.open(encoding="utf-8") as file:
            file.seek(offset)
            for number, line in enumerate(file, 1):
                if line.endswith("\n") and line.strip():
                    yield number, line
    except (OSError, UnicodeDecodeError) as error:
        raise CannotGoOn(f"{path} cannot be read: {error}") from error


def up_to(read_at: datetime | None, originations: Sequence[Origination]) -> list[Origination]:
    """Leave out what is younger than a log that was read: its intent may not be in there."""
    return [one for one in originations if read_at is None or one.until < read_at]


def read_log(
    bootstrap: str,
    *,
    since: Places | None = None,
    export: IO[str] | None = None,
    on_progress: Progress = lambda _done, _total: None,
) -> Told:
    """Return what a live Kafka tells up to now.

    Args:
        bootstrap: Its address.
        since: Where to begin, by `log_ends`; what was before is not looked at.
        export: Where every record is written too, one a line.
        on_progress: Told how many of how many records have been read.
    """
    return asyncio.run(_read_log(bootstrap, since or {}, export, on_progress))


def log_ends(bootstrap: str) -> Places:
    """Return where the log ends now."""

    async def ask() -> Places:
        async with Log(bootstrap, tuple(TOPICS.values())) as log:
            return await log.ends()

    return asyncio.run(ask())


async def _read_log(
    bootstrap: str, since: Places, export: IO[str] | None, on_progress: Progress
) -> Told:
    topics = CATALOGUE if export is not None else tuple(TOPICS.values())
    fold, done = LogFold({(one.topic, one.partition): at for one, at in since.items()}), 0
    async with Log(bootstrap, topics, since) as log:
        read_at = datetime.now(UTC)
        ends = await log.unread()
        total = sum(ends.values())
        while ends:
            for records in await log.read(ends):
                for record in map(of, records):
                    fold.take(record)
                    if export is not None:
                        write_line(export, record)
                done += len(records)
            on_progress(done, total)
    return replace(fold.log(), read_at=read_at)


def fold_lines(records: Iterable[LogRecord]) -> Told:
    """Return what an exported log tells."""
    fold = LogFold()
    for record in records:
        fold.take(record)
    return fold.log()


def ask_api(client: Client, campaign_ids: Sequence[str]) -> dict[str, Shown]:
    """Return what the API shows of campaigns."""
    return {id_: _shown(client, id_) for id_ in campaign_ids}


def ledgers_of(stack: Stack, *campaign_ids: str) -> Ledgers:
    """Return the ledgers of a running engine: its network's journal, its Kafka, its API.

    Args:
        stack: The engine.
        campaign_ids: Those that are asked about.
    """
    with Client(stack.api_url) as client:
        client.identify(stack.username, stack.password)
        answers = ask_api(client, campaign_ids)
    told = read_log(stack.kafka_bootstrap)
    return Ledgers(
        log=told,
        originations=up_to(told.read_at, read_journal(stack.journal)),
        ended_at=read_call_records(stack.call_records)[1],
        answers=answers,
        campaign_ids=campaign_ids,
    )


def _shown(client: Client, campaign_id: str) -> Shown:
    asked_at = datetime.now(UTC)
    outdial_id = client.get(f"/campaigns/{campaign_id}")["outdial_id"]
    calls = client.every(f"/campaigns/{campaign_id}/campaigncalls")
    targets = client.every(f"/outdials/{outdial_id}/targets")
    return Shown(
        asked_at=asked_at,
        calls={row["id"]: row["status"] for row in calls},
        targets={row["id"]: (row["status"], _counts(row)) for row in targets},
    )


def _counts(row: Any) -> dict[int, int]:
    return {slot: row[f"try_count_{slot}"] for slot in SLOTS if row[f"destination_{slot}"]}
