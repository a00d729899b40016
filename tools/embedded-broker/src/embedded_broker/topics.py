"""Topics and their partitions in a folder: one file per partition, one that lists them all."""

import json
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from embedded_broker.log import PartitionLog


@dataclass(slots=True)
class Topic:
    """A topic: its partitions in order, and its settings as they were given."""

    partitions: list[PartitionLog]
    settings: dict[str, str] = field(default_factory=dict)


class Topics:
    """All topics."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._list = folder / "topics.json"
        self.by_name: dict[str, Topic] = {}
        folder.mkdir(parents=True, exist_ok=True)
        if self._list.exists():
            for name, (count, settings) in json.loads(self._list.read_text()).items():
                self.by_name[name] = Topic(self._open(name, 0, count), settings)

    def _open(self, name: str, first: int, count: int) -> list[PartitionLog]:
        numbers = range(first, first + count)
        return [PartitionLog(self._folder / f"{name}-{number}.log") for number in numbers]

    def create(self, name: str, count: int, settings: dict[str, str]) -> None:
        """Create a topic that is not there yet."""
        self.by_name[name] = Topic(self._open(name, 0, count), settings)
        self._save()

    def grow(self, name: str, count: int) -> None:
        """Give a topic more partitions."""
        topic = self.by_name[name]
        topic.partitions += self._open(name, len(topic.partitions), count - len(topic.partitions))
        self._save()

    def delete(self, name: str) -> bool:
        """Delete a topic; False if there is none."""
        topic = self.by_name.pop(name, None)
        if topic is None:
            return False
        for partition in topic.partitions:
            partition.remove()
        self._save()
        return True

    def partition(self, name: str, number: int) -> PartitionLog | None:
        """Return a partition, or None."""
        topic = self.by_name.get(name)
        if topic is None or not 0 <= number < len(topic.partitions):
            return None
        return topic.partitions[number]

    def retain(self) -> None:
        """Let go of what is older than `retention.ms` says; compacted topics keep all."""
        now_ms = int(time.time() * 1000)
        for topic in self.by_name.values():
            kept_ms = int(topic.settings.get("retention.ms", "-1"))
            if kept_ms > 0 and "compact" not in topic.settings.get("cleanup.policy", ""):
                for partition in topic.partitions:
                    partition.drop_before(now_ms - kept_ms)

    def _save(self) -> None:
        """Whole or not at all: a crash leaves the old list."""
        listed = {
            name: (len(topic.partitions), topic.settings) for name, topic in self.by_name.items()
        }
        unfinished = self._list.with_suffix(".part")
        unfinished.write_text(json.dumps(listed))
        os.replace(unfinished, self._list)

    def close(self) -> None:
        """Close all files."""
        for topic in self.by_name.values():
            for partition in topic.partitions:
                partition.close()
