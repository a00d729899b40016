"""The log: records of the catalogue's topics, from Kafka or from a file that was exported."""

import gzip
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
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
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    type: str | None
    value: bytes | None


class Log:
    """Topics of a live Kafka, a part at a time.

    Args:
        bootstrap: Its address.
        topics: Which.
        since: Where to begin; a partition that is not named is read from its beginning.
    """

    def __init__(
        self,
        bootstrap: str,
        topics: Sequence[Topic] = CATALOGUE,
        since: Places | None = None,
    ) -> None:
        self._bootstrap = bootstrap
        self._topics = topics
        self._since = since or {}
        self._consumer: AIOKafkaConsumer
        self._partitions: list[TopicPartition] = []

    async def __aenter__(self) -> "Log":
        """Connect, and find the topics that there are."""
        self._consumer = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
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
        ]
        self._consumer.assign(self._partitions)
        for partition in self._partitions:
            if partition in self._since:
                self._consumer.seek(partition, self._since[partition])
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self._consumer.stop()

    async def is_empty(self) -> bool:
        """Whether nothing was ever told."""
        return not self._partitions or not any((await self.ends()).values())

    async def unread(self) -> Places:
        """Return the partitions that go on behind where we are, and up to where."""
        places = {one: await self._consumer.position(one) for one in self._partitions}
        return {one: end for one, end in (await self.ends()).items() if places[one] < end}

    async def read(self, ends: Places) -> Iterable[Sequence[ConsumerRecord]]:
        """Return some of what comes next, and drop the partitions whose end is reached."""
        found = await self._consumer.getmany(timeout_ms=POLL_MS, max_records=LARGEST_POLL)
        for partition in list(ends):
            if await self._consumer.position(partition) >= ends[partition]:
                del ends[partition]
        batches: Iterable[Sequence[ConsumerRecord]] = found.values()
        return batches

    async def ends(self) -> Places:
        """Return where each partition ends now."""
        ends: Places = await self._consumer.end_offsets(self._partitions)
        return ends


def type_of(record: ConsumerRecord) -> str | None:
    """Return the type that the header of a record tells."""
    for name, value in record.headers:
        if name == "ce_type":
            return str(value.decode())
    return None


def of(record: ConsumerRecord) -> LogRecord:
    """Return a consumed record as one of the log."""
    return LogRecord(
        record.topic,
        record.partition,
        record.offset,
        record.timestamp,
        type_of(record),
        record.value,
    )


def write_line(file: IO[str], record: LogRecord) -> None:
    """Write a record as one line of JSON."""
    shown = record._asdict()
    shown["value"] = json.loads(record.value) if record.value is not None else None
    file.write(json.dumps(shown, separators=(",", ":"), ensure_ascii=False) + "\n")


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
                    value = row["value"]
                    packed = None if value is None else json.dumps(value).encode()
                    yield LogRecord(**{**row, "value": packed})
                except (ValueError, TypeError, KeyError) as error:
                    raise CannotGoOn(f"{path}, line {number}: no record of a log") from error
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CannotGoOn(f"{path} cannot be read: {error}") from error
