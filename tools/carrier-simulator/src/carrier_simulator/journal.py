"""What the network keeps: an fsynced journal of originations, and call records.

The journal is the independent witness of what was dialed: a line is on the disk before the
request is answered and before anything rings. Originations that arrive together share one fsync.
"""

import asyncio
import csv
import io
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path

from carrier_simulator.wire import encode

LINGER_S = 0.005
"""How long an origination waits for others to share its fsync, when they follow closely."""


class Journal:
    """Append-only JSON lines, one per accepted origination."""

    def __init__(self, path: Path) -> None:
        self._fd, self._size = _open_lines(path)
        self._lines: list[bytes] = []
        self._synced: asyncio.Future[None] | None = None
        self._flushing: asyncio.Task[None] | None = None
        self._flushed_at = 0.0
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="journal")

    async def append(self, entry: dict[str, object]) -> None:
        """Return when the entry is on the disk.

        Raises:
            OSError: It could not be written; the journal is as it was.
        """
        self._lines.append(encode(entry).encode() + b"\n")
        if self._synced is None:
            self._synced = asyncio.get_running_loop().create_future()
        synced = self._synced
        if self._flushing is None:
            self._flushing = asyncio.create_task(self._flush())
        await asyncio.shield(synced)

    async def aclose(self) -> None:
        """Wait for what is being written, then close."""
        if self._flushing is not None:
            await self._flushing
        self._thread.shutdown()
        os.close(self._fd)

    async def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        while self._synced is not None:
            if loop.time() - self._flushed_at < LINGER_S:  # busy: let more come along
                await asyncio.sleep(LINGER_S)
            lines, synced = self._lines, self._synced
            self._lines, self._synced = [], None
            try:
                await loop.run_in_executor(self._thread, self._write, b"".join(lines))
            except OSError as error:
                synced.set_exception(error)
            else:
                synced.set_result(None)
            self._flushed_at = loop.time()
        self._flushing = None

    def _write(self, lines: bytes) -> None:
        try:
            _write_all(self._fd, lines)
            os.fdatasync(self._fd)
        except OSError:
            os.ftruncate(self._fd, self._size)  # half a line would spoil the next one
            raise
        self._size += len(lines)


class CallRecords:
    """CSV in the order of Asterisk's cdr_custom mapping; the channel id is the unique id."""

    def __init__(self, path: Path) -> None:
        self._fd, _ = _open_lines(path)

    def append(
        self,
        *,
        channel_id: str,
        number: str,
        started_at: datetime,
        answered_at: datetime | None,
        ended_at: datetime,
        disposition: str,
        channel_name: str,
    ) -> None:
        """Write the record of a channel that ends now; readers see it when this returns."""
        billed = (ended_at - answered_at).total_seconds() if answered_at else 0.0
        row = io.StringIO()
        csv.writer(row, quoting=csv.QUOTE_ALL, lineterminator="\n").writerow(
            (
                channel_id,
                number,
                f"{started_at:%Y-%m-%d %H:%M:%S}",
                f"{answered_at:%Y-%m-%d %H:%M:%S}" if answered_at else "",
                f"{ended_at:%Y-%m-%d %H:%M:%S}",
                f"{(ended_at - started_at).total_seconds():.6f}",
                f"{billed:.6f}",
                disposition,
                channel_name,
            )
        )
        _write_all(self._fd, row.getvalue().encode())

    def close(self) -> None:
        """Close the file."""
        os.close(self._fd)


def _open_lines(path: Path) -> tuple[int, int]:
    """Open for appending; end a line that a crash has cut short. Return descriptor and size."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
    size = os.fstat(fd).st_size
    if size and os.pread(fd, 1, size - 1) != b"\n":
        os.write(fd, b"\n")
        size += 1
    return fd, size


def _write_all(fd: int, content: bytes) -> None:
    view = memoryview(content)
    while view:
        view = view[os.write(fd, view) :]
