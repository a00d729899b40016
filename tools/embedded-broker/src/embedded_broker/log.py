"""The log of one partition: record batches in a file, and where each begins in memory.

Batches are kept as they came, only their offsets are set. What is in memory grows by a few dozen
bytes with each batch, not with what is in it. A last batch that was cut off by a crash is dropped
when the file is opened again.
"""

import bisect
import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Final

HEADER: Final = struct.Struct(">qiibIhiqqqhii")
"""base offset, length, epoch, magic, crc, attributes, last delta, first and last timestamp,
producer id and epoch, base sequence, count"""
LENGTH_FROM: Final = 12
CHUNK: Final = 1 << 20


@dataclass(slots=True)
class Batch:
    """Where a batch lies in the file, and what it covers."""

    first: int
    last: int
    latest_ms: int
    place: int
    size: int


@dataclass(slots=True)
class Producer:
    """The last batch of an idempotent producer: the same one again is not appended again."""

    epoch: int
    last_sequence: int
    first_offset: int


class CorruptBatch(Exception):
    """The bytes are no record batches of the present format."""


class PartitionLog:
    """One partition."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._batches: list[Batch] = []
        self._firsts: list[int] = []
        self._producers: dict[int, Producer] = {}
        self.start = 0
        self.end = 0
        self._file = os.open(path, os.O_RDWR | os.O_CREAT)
        self._size = self._recover()

    def _recover(self) -> int:
        size = os.fstat(self._file).st_size
        place = 0
        while place + HEADER.size <= size:
            header = os.pread(self._file, HEADER.size, place)
            length = LENGTH_FROM + HEADER.unpack(header)[1]
            if place + length > size:
                break
            self._note(header, place, length, HEADER.unpack(header)[0])
            place += length
        os.ftruncate(self._file, place)
        return place

    def _note(self, header: bytes, place: int, length: int, first: int) -> None:
        fields = HEADER.unpack(header)
        last_delta, latest_ms, producer, epoch, sequence, count = (
            fields[6], fields[8], fields[9], fields[10], fields[11], fields[12],
        )  # fmt: skip
        self._batches.append(Batch(first, first + last_delta, latest_ms, place, length))
        self._firsts.append(first)
        self.end = first + last_delta + 1
        if producer >= 0 and sequence >= 0:
            self._producers[producer] = Producer(epoch, sequence + count - 1, first)

    def append(self, raw: bytes) -> int:
        """Append record batches and return the offset of the first record.

        Raises:
            CorruptBatch: They are not of the present format; nothing was appended.
        """
        place, answer = 0, self.end
        is_first = True
        while place < len(raw):
            length = self._checked_length(raw, place)
            batch = bytearray(raw[place : place + length])
            repeated = self._repeated(batch)
            first = repeated if repeated is not None else self.end
            if repeated is None:
                struct.pack_into(">q", batch, 0, first)
                os.pwrite(self._file, batch, self._size)
                self._note(bytes(batch[: HEADER.size]), self._size, length, first)
                self._size += length
            if is_first:
                answer, is_first = first, False
            place += length
        return answer

    def _checked_length(self, raw: bytes, place: int) -> int:
        if place + HEADER.size > len(raw) or raw[place + 16] != 2:
            raise CorruptBatch
        length = LENGTH_FROM + int(HEADER.unpack_from(raw, place)[1])
        if place + length > len(raw):
            raise CorruptBatch
        return length

    def _repeated(self, batch: bytearray) -> int | None:
        fields = HEADER.unpack_from(batch)
        producer, epoch, sequence, count = fields[9], fields[10], fields[11], fields[12]
        known = self._producers.get(producer)
        if producer < 0 or known is None or known.epoch != epoch:
            return None
        return known.first_offset if sequence + count - 1 <= known.last_sequence else None

    def read(self, offset: int, largest: int) -> bytes:
        """Return whole batches from the one that holds an offset on: one at least, if there is."""
        number = max(0, bisect.bisect_right(self._firsts, offset) - 1)
        while number < len(self._batches) and self._batches[number].last < offset:
            number += 1
        if number >= len(self._batches):
            return b""
        place = self._batches[number].place
        size = 0
        for batch in self._batches[number:]:
            if size and size + batch.size > largest:
                break
            size += batch.size
        return os.pread(self._file, size, place)

    def offset_at(self, timestamp_ms: int) -> tuple[int, int]:
        """Return offset and time of the first batch with a record at or after a time, or -1, -1."""
        for batch in self._batches:
            if batch.latest_ms >= timestamp_ms:
                return batch.first, batch.latest_ms
        return -1, -1

    def drop_before(self, timestamp_ms: int) -> None:
        """Let batches go whose records are all older: they are not read any more."""
        kept = next(
            (n for n, batch in enumerate(self._batches) if batch.latest_ms >= timestamp_ms),
            len(self._batches),
        )
        if kept:
            self.start = self._batches[kept].first if kept < len(self._batches) else self.end
            del self._batches[:kept], self._firsts[:kept]

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def remove(self) -> None:
        """Close and delete the file."""
        self.close()
        self._path.unlink(missing_ok=True)
