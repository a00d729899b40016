"""How the end of a channel is found in Asterisk's call records."""

from pathlib import Path

import pytest
from dialer.adapters.call_records import find_ended
from dialer.ports import Fate, Sighting

ROW = (
    '"{id}","1555","2030-01-01 12:00:00","","2030-01-01 12:00:05","5.0","{billsec}","{said}","x"\n'
)


def records(folder: Path, *rows: str) -> Path:
    path = folder / "calls.csv"
    path.write_text("".join(rows))
    return path


def a_row(id_: str, *, said: str = "BUSY", billsec: str = "0.0") -> str:
    return ROW.format(id=id_, said=said, billsec=billsec)


def test_a_record_is_found_by_its_channel_id(tmp_path: Path) -> None:
    path = records(tmp_path, a_row("a"), a_row("b", said="ANSWERED", billsec="2.5"), a_row("c"))
    answered = Sighting(Fate.ENDED, was_answered=True, billsec=2.5, disposition="ANSWERED")
    assert find_ended(path, "b") == answered


def test_the_last_record_counts_when_an_id_was_dialed_again(tmp_path: Path) -> None:
    path = records(tmp_path, a_row("a"), a_row("a", said="NO ANSWER"))
    assert find_ended(path, "a") == Sighting(Fate.ENDED, disposition="NO ANSWER")


@pytest.mark.parametrize("other", ["call-12", "xcall-1", "1555", "call"])
def test_an_id_within_another_field_or_id_is_not_it(tmp_path: Path, other: str) -> None:
    path = records(tmp_path, a_row("call-1", said="call-12"))
    assert find_ended(path, other) is None


def test_a_record_still_being_written_is_not_there_yet(tmp_path: Path) -> None:
    path = records(tmp_path, a_row("a"), a_row("b")[:-1])
    assert find_ended(path, "b") is None


def test_empty_records_know_nobody_and_missing_ones_cannot_be_read(tmp_path: Path) -> None:
    assert find_ended(records(tmp_path), "a") is None
    with pytest.raises(OSError, match="No such file"):
        find_ended(tmp_path / "none.csv", "a")
