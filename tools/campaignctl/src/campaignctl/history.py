"""The log in the order in which it was told: all topics side by side, from Kafka or from a file.

A partition has an order of its own, several have none but their timestamps. A record is given out
once no partition can have an earlier one. Of a partition that is ahead no more is read meanwhile,
so memory does not grow with the log.
"""

import asyncio
from collections import deque
from collections.abc import (
    AsyncGenerator,
    AsyncIterator,
    Callable,
    Iterable,
    Iterator,
    Mapping,
    Sequence,
)
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from contracts.topics import CATALOGUE, Topic

from campaignctl.errors import CannotGoOn
from campaignctl.log import Log, LogRecord, Places, header_of, milliseconds, of, read_lines

MOST_BUFFERED = 5_000
Progress = Callable[[int, int], None]
Found = Mapping[TopicPartition, Sequence[ConsumerRecord]]


@dataclass(frozen=True, slots=True)
class Range:
    """Which part of which log.

    Attributes:
        bootstrap: Kafka's address; None: the log is a file.
        file: The file, if it is one.
        topics: Of the catalogue; others are left out.
        since: The first instant, by the time of publishing; None: from the beginning.
        until: The last instant; None: to the end that it has now.
        is_followed: Go on with what comes, for ever.
        partitions: Only these of the topics, by topic and number; None: all.
        wants: What to drop at once, by its headers; of a file nothing is.
        last: Only so many records at the end of each partition; of a file, all.
    """

    bootstrap: str | None = None
    file: Path | None = None
    topics: tuple[Topic, ...] = CATALOGUE
    since: datetime | None = None
    until: datetime | None = None
    is_followed: bool = False
    partitions: frozenset[tuple[str, int]] | None = None
    wants: Callable[[ConsumerRecord], bool] | None = None
    last: int | None = None


class Merge:
    """Puts the records of several partitions into one order."""

    def __init__(self, partitions: Iterable[TopicPartition]) -> None:
        self._buffers: dict[TopicPartition, deque[tuple[int, LogRecord]]] = {
            partition: deque() for partition in partitions
        }
        self._latest = dict.fromkeys(self._buffers, 0)
        self._open = set(self._buffers)

    @property
    def is_over(self) -> bool:
        """Whether everything has been read and given out."""
        return not self._open and not any(self._buffers.values())

    def add(
        self, partition: TopicPartition, records: Iterable[LogRecord], read_to_ms: int = 0
    ) -> None:
        """Take what was read next of a partition; its clock may run backwards, its order counts.

        Args:
            partition: Which.
            records: What of it is wanted.
            read_to_ms: The time of the last record that was read, wanted or not.
        """
        latest, buffer = self._latest[partition], self._buffers[partition]
        for record in records:
            latest = max(latest, record.timestamp_ms)
            buffer.append((latest, record))
        self._latest[partition] = max(latest, read_to_ms)

    def finish(self, partition: TopicPartition) -> None:
        """Take note that nothing more comes of a partition."""
        self._open.discard(partition)

    def split(self) -> tuple[list[TopicPartition], list[TopicPartition]]:
        """Return the partitions of which to read no more for now, and those to read."""
        enough = [p for p in self._buffers if len(self._buffers[p]) >= MOST_BUFFERED]
        return enough, [p for p in self._open if len(self._buffers[p]) < MOST_BUFFERED]

    def ready(self) -> list[LogRecord]:
        """Return what can be given out now, in order."""
        sure = min((self._latest[one] for one in self._open), default=None)
        rows: list[tuple[int, LogRecord]] = []
        for buffer in self._buffers.values():
            while buffer and (sure is None or buffer[0][0] <= sure):
                rows.append(buffer.popleft())
        rows.sort(key=lambda row: row[0])
        return [record for _, record in rows]


def read(which: Range, on_progress: Progress = lambda _done, _total: None) -> Iterator[LogRecord]:
    """Yield the records of a log in their order.

    Args:
        which: What to read.
        on_progress: Told how many records of how many have been read.

    Raises:
        CannotGoOn: Kafka is away, or the file is none of ours.
    """
    if which.file is not None:
        yield from _of_file(which)
        return
    batches = _of_kafka(which, on_progress)
    with asyncio.Runner() as runner:
        try:
            while (batch := runner.run(_next(batches))) is not None:
                yield from batch
        except KafkaError as trouble:
            raise CannotGoOn(f"Kafka at {which.bootstrap} is away: {trouble}") from trouble
        finally:
            runner.run(batches.aclose())


async def _next(batches: AsyncIterator[Sequence[LogRecord]]) -> Sequence[LogRecord] | None:
    return await anext(batches, None)


async def _of_kafka(which: Range, on_progress: Progress) -> AsyncGenerator[Sequence[LogRecord]]:
    until_ms = milliseconds(which.until) if which.until else None
    async with Log(str(which.bootstrap), which.topics, only=which.partitions) as log:
        if which.since is not None:
            await log.seek(which.since)
        if which.last is not None:
            await log.go_back(which.last)
        starts, ends = await log.places(), await log.unread()
        merge, done = Merge(ends), 0
        total = sum(end - starts[one] for one, end in ends.items())
        while not merge.is_over:
            log.hold(*merge.split())
            done += _take(await log.poll(), merge, ends, until_ms, which.wants)
            for partition, place in (await log.places()).items():
                if place >= ends.get(partition, 0):
                    merge.finish(partition)
            on_progress(done, total)
            yield [one for one in merge.ready() if until_ms is None or one.timestamp_ms <= until_ms]
        log.go_to(ends)
        while which.is_followed:
            polled = [one for records in (await log.poll()).values() for one in records]
            found = [of(one) for one in polled if which.wants is None or which.wants(one)]
            yield sorted(found, key=lambda one: one.timestamp_ms)


def _take(
    found: Found,
    merge: Merge,
    ends: Places,
    until_ms: int | None,
    wants: Callable[[ConsumerRecord], bool] | None,
) -> int:
    """Give what was found to the merge; return how many records that were."""
    count = 0
    for partition, records in found.items():
        end = ends.get(partition, 0)  # what came later is none of ours
        inside = [record for record in records if record.offset < end]
        if inside:
            wanted = inside if wants is None else filter(wants, inside)
            merge.add(partition, map(of, wanted), inside[-1].timestamp)
            count += len(inside)
            if until_ms is not None and inside[-1].timestamp > until_ms:
                merge.finish(partition)
    return count


def _of_file(which: Range) -> Iterator[LogRecord]:
    names = {topic.name for topic in which.topics}
    since_ms = milliseconds(which.since) if which.since else None
    until_ms = milliseconds(which.until) if which.until else None
    path = Path(str(which.file))
    rows = read_lines(path)
    for record in rows if header_of(path) else in_order(rows):
        is_early = since_ms is not None and record.timestamp_ms < since_ms
        is_late = until_ms is not None and record.timestamp_ms > until_ms
        if record.topic in names and not is_early and not is_late:
            yield record


def in_order(records: Iterable[LogRecord]) -> list[LogRecord]:
    """Return records in their order, whatever the order they come in."""
    places: dict[str, int] = {topic.name: place for place, topic in enumerate(CATALOGUE)}
    of_partition: dict[TopicPartition, list[LogRecord]] = {}
    for record in records:
        of_partition.setdefault(TopicPartition(record.topic, record.partition), []).append(record)
    merge = Merge(sorted(of_partition, key=lambda one: (places.get(one.topic, 99), one.partition)))
    for partition, rows in of_partition.items():
        merge.add(partition, sorted(rows, key=lambda one: one.offset))
        merge.finish(partition)
    return merge.ready()
