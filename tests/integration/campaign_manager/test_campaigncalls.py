"""Campaigncalls: what is heard of attempts, as the API shows it."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import pytest
from contracts.call import Attempt, CallAnswered, CallDialing, CallSettled, Outcome
from contracts.target import Destination, TargetStatus
from contracts.topics import CALL_EVENTS

if TYPE_CHECKING:
    from tests.integration.campaign_manager.conftest import Client, Engine

pytestmark = pytest.mark.asyncio(loop_scope="module")

NIL = "00000000-0000-0000-0000-000000000000"
NEVER = "9999-01-01 00:00:00.000000"
TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6}")
A_NUMBER = {"type": "tel", "target": "+15550100011"}


def an_attempt(campaign: Any, customer_id: str, at: datetime, number: int = 1) -> Attempt:
    return Attempt(
        attempt_id=str(uuid4()),
        customer_id=customer_id,
        campaign_id=campaign["id"],
        run_number=1,
        outplan_id=campaign["outplan_id"],
        outdial_id=campaign["outdial_id"],
        target_id=str(uuid4()),
        destination=Destination(slot=1, kind="tel", address="+15550100011"),
        attempt_number=number,
        ring_timeout_ms=30_000,
        fence=1,
        worker="dialer-1",
        created_at=at,
    )


async def tell_story(engine: Engine, attempt: Attempt, at: datetime, *, is_success: bool) -> None:
    told: list[Any] = [CallDialing(attempt=attempt)]
    if is_success:
        told.append(
            CallAnswered(
                attempt_id=attempt.attempt_id, campaign_id=attempt.campaign_id, at=at, actions=()
            )
        )
    told.append(
        CallSettled(
            attempt_id=attempt.attempt_id,
            campaign_id=attempt.campaign_id,
            at=at,
            target_id=attempt.target_id,
            outcome=Outcome.ANSWERED if is_success else Outcome.BUSY,
            is_success=is_success,
            target_status=TargetStatus.DONE,
        )
    )
    for number, body in enumerate(told):
        await engine.tell(
            CALL_EVENTS,
            body,
            subject=attempt.attempt_id,
            customer_id=attempt.customer_id,
            sequence=16 + number,
        )


async def test_campaigncalls_tell_the_story_of_attempts(
    api: Client, engine: Engine, stranger: Client
) -> None:
    campaign = await api.campaign()
    path = f"/campaigns/{campaign['id']}/campaigncalls"
    at = datetime.now(UTC)
    attempts = [
        an_attempt(campaign, campaign["customer_id"], at + timedelta(seconds=n // 2), n + 1)
        for n in range(5)
    ]
    for number, attempt in enumerate(attempts[:4]):
        await tell_story(engine, attempt, at, is_success=number % 2 == 0)
    await engine.tell(
        CALL_EVENTS, CallDialing(attempt=attempts[4]), subject=attempts[4].attempt_id,
        customer_id=campaign["customer_id"],
    )  # fmt: skip

    async def all_told() -> bool:
        rows = await api.every(path)
        return [row["status"] for row in rows].count("done") == 4 and len(rows) == 5

    await engine.until(all_told)
    await tell_story(engine, attempts[0], at, is_success=True)  # delivered once more
    shown = await api.get(f"/campaigncalls/{attempts[0].attempt_id}")
    assert TIMESTAMP.fullmatch(shown.pop("tm_create"))
    assert TIMESTAMP.fullmatch(shown.pop("tm_update"))
    for name in ("activeflow_id", "flow_id"):
        assert shown.pop(name) != NIL
    assert shown == {
        "id": attempts[0].attempt_id,
        "customer_id": campaign["customer_id"],
        "campaign_id": campaign["id"],
        "outplan_id": campaign["outplan_id"],
        "outdial_id": campaign["outdial_id"],
        "outdial_target_id": attempts[0].target_id,
        "queue_id": NIL,
        "reference_type": "call",
        "reference_id": attempts[0].attempt_id,
        "status": "done",
        "result": "success",
        "source": None,
        "destination": A_NUMBER,
        "destination_index": 1,
        "try_count": 1,
        "tm_delete": NEVER,
    }
    by_id = {row["id"]: row["result"] for row in await api.every(path, page_size=1)}
    assert [by_id[attempt.attempt_id] for attempt in attempts] == [
        "success", "fail", "success", "fail", "",
    ]  # fmt: skip
    assert set(by_id) <= {row["id"] for row in await api.every("/campaigncalls", page_size=2)}
    answer = await api.ask("DELETE", f"/campaigncalls/{attempts[4].attempt_id}")
    assert (answer.status_code, answer.json()["error"]["status"]) == (409, "FAILED_PRECONDITION")
    for ask in (("GET", ""), ("DELETE", "")):
        foreign = await stranger.ask(ask[0], f"/campaigncalls/{attempts[0].attempt_id}")
        assert foreign.status_code == 404
    assert (await stranger.ask("GET", path)).status_code == 404
    gone = await api.delete(f"/campaigncalls/{attempts[0].attempt_id}")
    assert gone["tm_delete"] != NEVER
    assert attempts[0].attempt_id not in [row["id"] for row in await api.every(path)]
