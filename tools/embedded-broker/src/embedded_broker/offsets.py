"""Committed offsets, one JSON line each, appended; the last line of a partition counts."""

import json
from pathlib import Path
from typing import Any

Place = tuple[str, str, int]


class Offsets:
    """What each group has committed."""

    def __init__(self, folder: Path) -> None:
        path = folder / "offsets.jsonl"
        self._committed: dict[Place, tuple[int, str]] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                self._take(line)
        self._file = path.open("a", buffering=1)

    def _take(self, line: str) -> None:
        try:
            group, topic, partition, offset, note = json.loads(line)
        except ValueError:
            return  # cut off by a crash: the commit was never acknowledged
        self._committed[(group, topic, partition)] = (offset, note)

    def commit(self, group: str, topic: str, partition: int, offset: int, note: str | None) -> None:
        """Remember an offset."""
        row: list[Any] = [group, topic, partition, offset, note or ""]
        self._committed[(group, topic, partition)] = (offset, note or "")
        self._file.write(json.dumps(row) + "\n")

    def get(self, group: str, topic: str, partition: int) -> tuple[int, str]:
        """Return a committed offset and its note; -1 if there is none."""
        return self._committed.get((group, topic, partition), (-1, ""))

    def of_group(self, group: str) -> dict[str, list[int]]:
        """Return the partitions for which a group has committed something, by topic."""
        found: dict[str, list[int]] = {}
        for name, topic, partition in self._committed:
            if name == group:
                found.setdefault(topic, []).append(partition)
        return found

    def close(self) -> None:
        """Close the file."""
        self._file.close()
