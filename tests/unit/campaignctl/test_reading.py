"""The witnesses are read as what they say: calls in pieces, messages delivered again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from campaignctl.log import LogRecord
from campaignctl.verification.folding import LogFold
from campaignctl.verification.ledgers import Origination
from campaignctl.verification.reading import read_call_records, up_to
from contracts.call import CallSettled, Outcome
from contracts.envelope import wrap
from contracts.resources import CampaignCallDeleted
from contracts.target import TargetStatus

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
NUMBER = "+12125550101"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def a_call_record(channel_id: str, start: int, end: int) -> str:
    cells = [channel_id, NUMBER, *(f"2026-03-02 12:00:{n:02d}" for n in (start, start, end))]
    return ",".join(f'"{cell}"' for cell in [*cells, "3.0", "0", "BUSY", "PJSIP/x-1"]) + "\n"


def test_call_records_that_follow_each_other_are_one_call_and_others_are_two(
    tmp_path: Path,
) -> None:
    records = tmp_path / "Master.csv"
    bridged = a_call_record("a", 4, 9) + a_call_record("a", 1, 4)
    records.write_text(bridged)
    begun, ended = read_call_records(records)
    assert [one.at for one in begun] == [at(1)]
    assert ended == {"a": at(9)}
    records.write_text(bridged + a_call_record("a", 11, 12))
    assert [one.at for one in read_call_records(records)[0]] == [at(1), at(11)]


def test_what_rang_after_the_log_was_read_proves_nothing() -> None:
    early, late = (Origination("a", NUMBER, at(n), at(n)) for n in (1, 3))
    assert up_to(at(2), [early, late]) == [early]
    assert up_to(None, [early, late]) == [early, late], "an exported log does not say when"


def test_an_outcome_that_is_delivered_twice_is_one_and_another_under_its_number_is_not() -> None:
    def settled(offset: int, outcome: Outcome) -> LogRecord:
        fact = CallSettled(
            attempt_id="a",
            campaign_id="c",
            at=at(1),
            target_id="t",
            outcome=outcome,
            is_success=False,
            target_status=TargetStatus.DONE,
        )
        envelope = wrap(fact, source="s", subject="a", sequence=32, at=at(1), customer_id="u")
        return LogRecord("call.events", 0, offset, 0, fact.type, envelope.encode())

    fold = LogFold()
    fold.take(settled(0, Outcome.BUSY))
    fold.take(settled(1, Outcome.BUSY))
    assert len(fold.log().stories["a"].settlements) == 1
    fold.take(settled(2, Outcome.FAILED))
    assert len(fold.log().stories["a"].settlements) == 2


def test_a_campaigncall_that_a_client_has_deleted_is_known() -> None:
    fact = CampaignCallDeleted(attempt_id="a", customer_id="u", at=at(1))
    envelope = wrap(fact, source="s", subject="a", sequence=1, at=at(1), customer_id="u")
    fold = LogFold()
    fold.take(LogRecord("resource.events", 0, 3, 0, fact.type, envelope.encode()))
    assert fold.log().hidden == {"a"}
