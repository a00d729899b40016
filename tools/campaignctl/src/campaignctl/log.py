"""The log: records of the catalogue's topics, from Kafka or from a file that was exported."""

import base64
import contextlib
import gzip
import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from chassis.connections import Connections
from contracts.topics import CATALOGUE, Topic

from campaignctl.errors import CannotGoOn

POLL_MS = 200
LARGEST_POLL = 2_000
FETCH_BYTES = 8 * 1024 * 1024


Places = dict[TopicPartition, int]


class LogRecord(NamedTuple):
    """One record of the log.

    Attributes:
        timestamp_ms: Milliseconds since 1970, by whoever sent it.
        type: The message's type by its header, None without one.
        value: The envelope; None where it was deleted.
        key: What it is about.
        correlation_id: The story it belongs to by its header, None without one.
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    type: str | None
    value: bytes | None
    key: str | None = None
    correlation_id: str | None = None


class Log:
    """Topics of a live Kafka, a part at a time.

    Args:
        bootstrap: Its address.
        topics: Which.
        since: Where to begin; a partition that is not named is read from its beginning.
        only: These partitions of them; None: all.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[Topic] = CATALOGUE,
        since: Places | None = None,
        only: Collection[tuple[str, int]] | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._since = since or {}
        self._only = only
        self._consumer: AIOKafkaConsumer
        self._partitions: list[TopicPartition] = []

    async def __aenter__(self) -> "Log":
        """Connect, and find the topics that there are."""
        self._consumer = AIOKafkaConsumer(
            **Connections(kafka_bootstrap=self._bootstrap).kafka,
            enable_auto_commit=False,
            auto_offset_reset="earliest",
            max_partition_fetch_bytes=FETCH_BYTES,
        )
        try:
            await self._consumer.start()
        except BaseException:
            await self._consumer.stop()
            raise
        there = await self._consumer.topics()
        self._partitions = [
            TopicPartition(topic.name, number)
            for topic in self._topics
            if topic.name in there
            for number in range(topic.partitions)
            if self._only is None or (topic.name, number) in self._only
        ]
        self._consumer.assign(self._partitions)
        there_too = {one: at for one, at in self._since.items() if one in self._partitions}
        self.go_to(there_too)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def seek(self, since: datetime) -> None:
        """Go on from the first message of each partition that is as late as an instant."""
        since_ms = milliseconds(since)
        asked = dict.fromkeys(self._partitions, since_ms)
        found = await self._consumer.offsets_for_times(asked)
        ends = await self.ends()
        for partition in self._partitions:
            place = found[partition]
            self._consumer.seek(partition, place.offset if place else ends[partition])

    async def go_back(self, count: int) -> None:
        """Go on from so many records before the end of each partition."""
        starts = await self._consumer.beginning_offsets(self._partitions)
        self.go_to({one: max(starts[one], end - count) for one, end in (await self.ends()).items()})

    def hold(self, held: Collection[TopicPartition], wanted: Collection[TopicPartition]) -> None:
        """Read no more of some partitions for now, and again of others."""
        self._consumer.pause(*held)
        self._consumer.resume(*wanted)

    async def is_empty(self) -> bool:
        """Whether nothing was ever told."""
        return not self._partitions or not any((await self.ends()).values())

    async def places(self) -> Places:
        """Return where we are in each partition."""
        return {one: await self._consumer.position(one) for one in self._partitions}

    def go_to(self, places: Places) -> None:
        """Go on from other places."""
        for partition, place in places.items():
            self._consumer.seek(partition, place)

    async def unread(self) -> Places:
        """Return the partitions that go on behind where we are, and up to where."""
        places = await self.places()
        return {one: end for one, end in (await self.ends()).items() if places[one] < end}

    async def poll(self) -> dict[TopicPartition, list[ConsumerRecord]]:
        """Return some of what comes next."""
        found: dict[TopicPartition, list[ConsumerRecord]] = await self._consumer.getmany(
            timeout_ms=POLL_MS, max_records=LARGEST_POLL
        )
        return found

    async def read(self, ends: Places) -> Iterable[Sequence[ConsumerRecord]]:
        """Return some of what comes next, and drop the partitions whose end is reached."""
        found = await self.poll()
        for partition in list(ends):
            if await self._consumer.position(partition) >= ends[partition]:
                del ends[partition]
        batches: Iterable[Sequence[ConsumerRecord]] = found.values()
        return batches

    async def ends(self) -> Places:
        """Return where each partition ends now."""
        ends: Places = await self._consumer.end_offsets(self._partitions)
        return ends


def milliseconds(at: datetime) -> int:
    """Return an instant as Kafka has it: milliseconds since 1970."""
    return round(at.timestamp() * 1000)


def type_of(record: ConsumerRecord) -> str | None:
    """Return the type that the header of a record tells."""
    for name, value in record.headers:
        if name == "ce_type":
            return str(value.decode())
    return None


def of(record: ConsumerRecord) -> LogRecord:
    """Return a consumed record as one of the log."""
    type_ = correlation_id = None
    for name, value in record.headers:
        if name == "ce_type":
            type_ = value.decode()
        elif name == "correlationid":
            correlation_id = value.decode()
    return LogRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        type_,
        record.value,
        record.key.decode(errors="replace") if record.key is not None else None,
        correlation_id,
    )


def write_line(file: IO[str], record: LogRecord) -> None:
    """Write a record as one line of JSON; a value that is none is kept as it is, in base64."""
    shown = record._asdict()
    try:
        shown["value"] = json.loads(record.value) if record.value is not None else None
    except ValueError:
        shown["value"] = None
        shown["raw"] = base64.b64encode(record.value or b"").decode()
    file.write(json.dumps(shown, separators=(",", ":"), ensure_ascii=False) + "\n")


def header(**about: Any) -> str:
    """Return the first line of an exported file: that it is one, and what it holds, in order."""
    return json.dumps({"campaign_engine_log": 1, **about}) + "\n"


def header_of(path: Path) -> dict[str, Any]:
    """Return what an exported file says of itself; nothing, if it was written line by line."""
    with contextlib.suppress(OSError, EOFError, ValueError), open_text(path, "r") as file:
        first: dict[str, Any] = json.loads(file.readline())
        return first if "campaign_engine_log" in first else {}
    return {}


def open_text(path: Path, mode: str) -> IO[str]:
    """Open a file of lines, a compressed one where its name ends with `.gz`."""
    opened: Any = gzip.open if path.suffix == ".gz" else open
    file: IO[str] = opened(path, f"{mode}t", encoding="utf-8")
    return file


def read_lines(path: Path) -> Iterator[LogRecord]:
    """Yield the records of an exported file.

    Raises:
        CannotGoOn: The file cannot be read, or a line of it is no record.
    """
    try:
        with open_text(path, "r") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = json.loads(line)
                    if number == 1 and "campaign_engine_log" in row:
                        continue
                    value, raw = row["value"], row.pop("raw", None)
                    packed = None if value is None else json.dumps(value).encode()
                    if raw is not None:
                        packed = base64.b64decode(raw)
                    if value is not None and row.get("key") is None:
                        row |= {"key": value["subject"], "correlation_id": value["correlationid"]}
                    yield LogRecord(**{**row, "value": packed})
                except (ValueError, TypeError, KeyError) as error:
                    raise CannotGoOn(f"{path}, line {number}: no record of a log") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CannotGoOn(f"{path} cannot be read: {error}") from error
