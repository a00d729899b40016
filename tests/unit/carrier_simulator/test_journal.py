"""What is written, is written before it is answered, and is never spoilt by what came before."""

import asyncio
import csv
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from carrier_simulator.journal import CallRecords, Journal

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


async def test_an_entry_is_in_the_file_when_append_returns(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "new" / "journal.jsonl")
    await journal.append({"channel_id": "one"})
    assert json.loads((tmp_path / "new" / "journal.jsonl").read_text()) == {"channel_id": "one"}
    await journal.aclose()


async def test_many_entries_share_few_syncs_and_all_arrive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    syncs: list[int] = []
    monkeypatch.setattr(os, "fdatasync", syncs.append)
    journal = Journal(tmp_path / "journal.jsonl")
    await asyncio.gather(*(journal.append({"n": n}) for n in range(1000)))
    await journal.aclose()
    lines = (tmp_path / "journal.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == list(range(1000))
    assert 1 <= len(syncs) <= 5


async def test_a_line_cut_short_by_a_crash_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    path.write_text('{"n":1}\n{"n":')
    journal = Journal(path)
    await journal.append({"n": 2})
    await journal.aclose()
    assert path.read_text().splitlines() == ['{"n":1}', '{"n":', '{"n":2}']


async def test_a_disk_that_refuses_is_told_and_leaves_no_half_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "journal.jsonl", os.write
    journal = Journal(path)
    await journal.append({"n": 1})

    def half_then_full(fd: int, content: bytes) -> int:
        if len(content) < 5:
            raise OSError(28, "No space left on device")
        return real(fd, bytes(content)[:5])

    with monkeypatch.context() as full:
        full.setattr(os, "write", half_then_full)
        with pytest.raises(OSError, match="No space"):
            await journal.append({"n": 2})
    await journal.append({"n": 3})
    await journal.aclose()
    assert path.read_text() == '{"n":1}\n{"n":3}\n'


def test_a_call_record_has_the_fields_of_asterisk_in_their_order(tmp_path: Path) -> None:
    records = CallRecords(tmp_path / "calls.csv")
    records.append(
        channel_id="call-1",
        number="1555",
        started_at=NOON,
        answered_at=NOON + timedelta(seconds=2),
        ended_at=NOON + timedelta(seconds=5.5),
        disposition="ANSWERED",
        channel_name="PJSIP/trunk-00000001",
    )
    records.close()
    assert list(csv.reader([(tmp_path / "calls.csv").read_text()])) == [
        [
            "call-1",
            "1555",
            "2030-01-01 12:00:00",
            "2030-01-01 12:00:02",
            "2030-01-01 12:00:05",
            "5.500000",
            "3.500000",
            "ANSWERED",
            "PJSIP/trunk-00000001",
        ]
    ]
