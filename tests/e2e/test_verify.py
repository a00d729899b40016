"""`campaignctl verify` on a campaign that has run: clean as it is, and not when it is doctored."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from campaignctl.stack import Stack, StackOptions

from tests.faults.campaign import Campaign
from tests.replaying import replayed_stack

CAMPAIGNCTL = str(Path(sys.executable).with_name("campaignctl"))
Lines = list[dict[str, Any]]


class Run(NamedTuple):
    """A campaign that has run, its exported log, and its lines of the network's journal."""

    stack: Stack
    campaign_id: str
    log: Path
    journal: Lines


def verify(*arguments: str) -> tuple[int, dict[str, Any]]:
    ended = subprocess.run(
        [CAMPAIGNCTL, "verify", "--json", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.stdout, ended.stderr
    return ended.returncode, json.loads(ended.stdout)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("verify")
    with replayed_stack(StackOptions(speed=4)) as stack:
        campaign = Campaign(stack, 60)
        campaign.start()
        campaign.await_end()
        campaign.verify()
        campaign.close()
        log = folder / "log.jsonl.gz"
        live = ("--kafka-bootstrap", stack.kafka_bootstrap, "--api-url", stack.api_url)
        code, told = verify(
            campaign.id, *live, "--journal", str(stack.journal), "--export", str(log)
        )
        assert (code, told["verdict"]) == (0, "ok"), told
        assert set(told["promises"].values()) == {"ok"}
        assert told["figures"]["calls"] >= 60
        records = ("--call-records", str(stack.call_records))
        code, told = verify(campaign.id, *live, *records)
        assert told["promises"]["P1"] == "ok"
        assert told["promises"]["P6"] == "cannot say", "call records tell whole seconds only"
        assert code == 2
        rings = [line for line in stack.journal_lines() if line in campaign.rings()]
        yield Run(stack, campaign.id, log, rings)


def later(line: dict[str, Any], seconds: float, **more: Any) -> dict[str, Any]:
    at = datetime.fromisoformat(line["at"]) + timedelta(seconds=seconds)
    return {**line, "at": at.isoformat(), **more}


def test_an_exported_log_is_as_good_as_a_live_one(run: Run, tmp_path: Path) -> None:
    code, told = verdict(run, run.journal, tmp_path)
    assert (code, told["promises"]["P1"], told["promises"]["P3"]) == (0, "ok", "ok")


@pytest.mark.parametrize(
    ("promise", "doctor"),
    [
        ("P1", lambda lines: [*lines, later(lines[0], 0.5)]),
        ("P3", lambda lines: [*lines[:-1], later(lines[-1], 3600)]),
        ("P5", lambda lines: lines[1:]),
        ("P5", lambda lines: [later(lines[0], -60), *lines[1:]]),
        ("P6", lambda lines: [later(line, 0, at=lines[0]["at"]) for line in lines[:30]]),
    ],
    ids=["rang twice", "rang after the stop", "never rang", "rang unintended", "rang too fast"],
)
def test_what_a_doctored_journal_tells_is_found(
    promise: str, doctor: Callable[[Lines], Lines], run: Run, tmp_path: Path
) -> None:
    code, told = verdict(run, doctor(run.journal), tmp_path)
    assert (code, told["promises"][promise]) == (1, "violated")
    found = [one for rule in told["rules"] for one in rule["violations"]]
    assert any(one["promise"] == promise and one["attempt_ids"] for one in found)


def test_a_call_of_which_the_log_knows_nothing_is_found(run: Run, tmp_path: Path) -> None:
    stranger = {**run.journal[0], "channel_id": str(uuid4())}
    code, told = verdict(run, [*run.journal, stranger], tmp_path, campaign_id="")
    assert (code, told["promises"]["P5"]) == (1, "violated")


def verdict(
    run: Run, journal: Lines, folder: Path, campaign_id: str | None = None
) -> tuple[int, dict[str, Any]]:
    path = folder / "journal.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in journal))
    asked = [run.campaign_id] if campaign_id is None else []
    return verify(*asked, "--log", str(run.log), "--journal", str(path))


def test_a_campaign_that_nobody_knows_is_an_error(run: Run) -> None:
    ended = subprocess.run(
        [CAMPAIGNCTL, "verify", str(uuid4()), "--log", str(run.log)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert ended.returncode == 2
    assert "the log knows no campaign" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "--log"),
        (("--log", __file__), "no record of a log"),
        (("--kafka-bootstrap", "127.0.0.1:1"), "is away"),
        (
            ("--kafka-bootstrap", "127.0.0.1:1", "--api-url", "http://127.0.0.1:1"),
            "Nothing listens",
        ),
    ],
)
def test_what_cannot_be_asked_is_no_violation(arguments: tuple[str, ...], words: str) -> None:
    ended = subprocess.run(
        [CAMPAIGNCTL, "verify", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ended.returncode == 2
    assert words in ended.stderr
    assert "Traceback" not in ended.stderr
