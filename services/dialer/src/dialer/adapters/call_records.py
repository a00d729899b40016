"""The gateway's call records: what became of a channel that is no more.

A CSV in the order of Asterisk's cdr_custom mapping: uniqueid (our channel id), dst, start, answer,
end, duration, billsec, disposition, channel. Only the present file is read: one that has been
rotated away has not been seen.
"""

import csv
import mmap
from pathlib import Path

from dialer.ports import Fate, Sighting

BILLSEC, DISPOSITION = 6, 7


def find_ended(path: Path, channel_id: str) -> Sighting | None:
    """Return how a channel ended, by its last record; None if there is none.

    Raises:
        OSError: The records cannot be read.
    """
    with path.open("rb") as file:
        if not path.stat().st_size:
            return None
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            line = _last_line(content, channel_id.encode())
    if line is None:
        return None
    fields = next(csv.reader([line.decode()]))
    if len(fields) <= DISPOSITION:
        return None  # still being written
    return Sighting(
        Fate.ENDED,
        was_answered=fields[DISPOSITION] == "ANSWERED",
        billsec=float(fields[BILLSEC] or 0),
        disposition=fields[DISPOSITION],
    )


def _last_line(content: mmap.mmap, channel_id: bytes) -> bytes | None:
    """Find the last line that begins with the id, quoted or not."""
    end = len(content)
    while (at := content.rfind(channel_id, 0, end)) >= 0:
        end = at
        start = content.rfind(b"\n", 0, at) + 1
        stop = content.find(b"\n", at)
        line = content[start : stop if stop >= 0 else len(content)]
        if stop >= 0 and line.split(b",", 1)[0].strip(b'"') == channel_id:
            return line
    return None
