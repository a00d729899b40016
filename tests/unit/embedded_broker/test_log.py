"""The log of a partition: offsets, repeats, half batches, time."""

from pathlib import Path

import pytest
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from embedded_broker.log import CorruptBatch, PartitionLog
from embedded_broker.offsets import Offsets


def a_batch(count: int, *, at_ms: int = 1000, producer: int = -1, sequence: int = -1) -> bytes:
    builder = DefaultRecordBatchBuilder(
        2, 0, 0, producer, 0 if producer >= 0 else -1, sequence, 1 << 20
    )
    for number in range(count):
        builder.append(number, at_ms, b"key", b"value", [])
    return bytes(builder.build())


def test_offsets_go_on_from_batch_to_batch(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0.log")
    assert [log.append(a_batch(3)), log.append(a_batch(2)), log.append(a_batch(1))] == [0, 3, 5]
    assert (log.start, log.end) == (0, 6)


def test_a_read_gives_the_batch_that_holds_the_offset(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0.log")
    log.append(a_batch(3))
    log.append(a_batch(2))
    assert len(log.read(4, 1)) == len(a_batch(2)), "at least one batch, however small the limit"
    assert len(log.read(1, 1 << 20)) == len(a_batch(3)) + len(a_batch(2))
    assert log.read(5, 1 << 20) == b""


def test_the_same_batch_of_a_producer_is_appended_once_also_after_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "t-0.log"
    log = PartitionLog(path)
    first = log.append(a_batch(3, producer=7, sequence=0))
    assert log.append(a_batch(3, producer=7, sequence=0)) == first
    log.close()
    again = PartitionLog(path)
    assert again.append(a_batch(3, producer=7, sequence=0)) == first
    assert again.append(a_batch(2, producer=7, sequence=3)) == 3
    assert again.end == 5


def test_half_a_batch_at_the_end_is_dropped_when_the_log_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "t-0.log"
    log = PartitionLog(path)
    log.append(a_batch(3))
    log.close()
    with path.open("ab") as file:
        file.write(a_batch(2)[:-5])
    again = PartitionLog(path)
    assert again.end == 3
    assert again.append(a_batch(1)) == 3


def test_what_is_no_batch_is_refused_and_changes_nothing(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0.log")
    for raw in (b"x" * 100, a_batch(2)[:-1], b"short"):
        with pytest.raises(CorruptBatch):
            log.append(raw)
    assert log.end == 0


def test_a_time_leads_to_a_batch_and_old_batches_can_be_dropped(tmp_path: Path) -> None:
    log = PartitionLog(tmp_path / "t-0.log")
    for at_ms in (1000, 2000, 3000):
        log.append(a_batch(2, at_ms=at_ms))
    assert log.offset_at(1500) == (2, 2000)
    assert log.offset_at(9999) == (-1, -1)
    log.drop_before(2000)
    assert (log.start, log.end) == (2, 6)
    assert len(log.read(2, 1 << 20)) == 2 * len(a_batch(2))


def test_the_last_commit_of_a_partition_counts_also_after_a_restart(tmp_path: Path) -> None:
    offsets = Offsets(tmp_path)
    offsets.commit("g", "t", 0, 5, None)
    offsets.commit("g", "t", 0, 9, "note")
    offsets.close()
    with (tmp_path / "offsets.jsonl").open("a") as file:
        file.write('["g", "t", 0')
    again = Offsets(tmp_path)
    assert again.get("g", "t", 0) == (9, "note")
    assert again.get("g", "t", 1) == (-1, "")
    assert again.of_group("g") == {"t": [0]}
    again.close()
