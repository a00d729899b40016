"""What the gateway makes of answers that are strange, late or missing; the far end is a script."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from dialer.adapters import ari, ari_socket
from dialer.adapters.ari import AriGateway, endpoint_of
from dialer.adapters.retry_after import UNTOLD
from dialer.domain.signals import CallSignal
from dialer.ports import (
    CommandRefused,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    OriginationUnknown,
)
from websockets.asyncio.server import ServerConnection, serve

Answers = dict[str, int | str]
"""Request line to status, or status and Retry-After; a word for silence, or to cut the line."""

ONE = Origination(
    channel_id="call",
    address="1555",
    kind="tel",
    caller_id="1000",
    ring_timeout=timedelta(seconds=1.2),
    absolute_timeout=timedelta(hours=1),
)


@dataclass
class Far:
    gateway: AriGateway
    asked: list[dict[str, Any]] = field(default_factory=list)
    heard: list[CallSignal] = field(default_factory=list)


@asynccontextmanager
async def answering(
    answers: Answers, *, records: Path | None = None, first: str = ""
) -> AsyncIterator[Far]:
    asked: list[dict[str, Any]] = []
    heard: list[CallSignal] = []

    async def converse(socket: ServerConnection) -> None:
        if first:
            await socket.send(first)
        async for text in socket:
            request = json.loads(text)
            asked.append(request)
            answer = answers.get(f"{request['method']} {request['uri']}", 200)
            if answer == "cut":
                socket.transport.abort()
            elif answer != "silence":
                status, _, later = str(answer).partition(" ")
                response = {"request_id": request["request_id"], "status_code": int(status)}
                response["message_body"] = "{}"
                if later:
                    response["headers"] = [{"name": "Retry-After", "value": later}]
                await socket.send(json.dumps({"type": "RESTResponse"} | response))

    async with serve(converse, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        gateway = AriGateway(
            url=f"http://127.0.0.1:{port}/ari",
            username="dialer",
            password="dialer",
            application="test",
            call_records=records,
            on_signal=heard.append,
            on_connection=lambda _: None,
        )
        running = asyncio.create_task(gateway.run())
        await until(lambda: gateway.is_connected)
        yield Far(gateway, asked, heard)
        await gateway.aclose()
        await running


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not is_so():
            await asyncio.sleep(0.005)


async def test_an_origination_without_an_answer_may_have_been_dialed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ari_socket, "ANSWER_WITHIN_S", 0.05)
    async with answering({"POST channels": "silence"}) as far:
        with pytest.raises(OriginationUnknown):
            await far.gateway.originate(ONE)


async def test_an_origination_whose_line_is_cut_may_have_been_dialed() -> None:
    async with answering({"POST channels": "cut"}) as far:
        with pytest.raises(OriginationUnknown):
            await far.gateway.originate(ONE)


async def test_a_command_without_an_answer_may_be_repeated() -> None:
    async with answering({"POST channels/call/play": "cut"}) as far:
        with pytest.raises(GatewayUnavailable):
            await far.gateway.play("call", "sound:beep", "play")


async def test_a_conflict_over_a_call_that_has_ended_is_no_refusal(tmp_path: Path) -> None:
    records = tmp_path / "calls.csv"
    records.write_text('"call","1555","","","","1.0","0.0","BUSY","x"\n')
    answers: Answers = {"POST channels": 409, "GET channels/call": 404}
    async with answering(answers, records=records) as far:
        with pytest.raises(OriginationUnknown):
            await far.gateway.originate(ONE)


async def test_a_conflict_whose_cause_is_not_heard_is_no_refusal() -> None:
    async with answering({"POST channels": 409, "GET channels/call": "cut"}) as far:
        with pytest.raises(OriginationUnknown):
            await far.gateway.originate(ONE)


@pytest.mark.parametrize("status", [400, 401, 404, 500])
async def test_an_error_status_is_a_refusal(status: int) -> None:
    async with answering({"POST channels": status}) as far:
        with pytest.raises(OriginationRefused) as refusal:
            await far.gateway.originate(ONE)
        assert refusal.value.status == status


@pytest.mark.parametrize(
    ("answer", "seconds"), [("429 7", 7), ("503 2", 2), (503, UNTOLD.total_seconds())]
)
async def test_a_gateway_that_has_too_much_to_do_is_left_alone(
    answer: int | str, seconds: float
) -> None:
    async with answering({"POST channels": answer}) as far:
        with pytest.raises(GatewayPaused) as asked:
            await far.gateway.originate(ONE)
        assert asked.value.pause.total_seconds() == seconds


@pytest.mark.parametrize("status", [502, 504])
@pytest.mark.parametrize(
    ("seen", "verdict"),
    [
        ((200, ""), OriginationUnknown),
        ((404, '"call","1555","","","","1.0","0.0","BUSY","x"\n'), OriginationUnknown),
        ((500, ""), OriginationUnknown),
        ((404, ""), OriginationRefused),
    ],
)
async def test_a_no_from_what_stands_before_the_gateway_is_looked_up(
    status: int,
    seen: tuple[int, str],
    verdict: type[Exception],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ari, "SETTLED_AFTER_S", 0.0)
    shown, record = seen
    records = tmp_path / "calls.csv"
    records.write_text(record)
    answers: Answers = {"POST channels": status, "GET channels/call": shown}
    async with answering(answers, records=records) as far:
        with pytest.raises(verdict):
            await far.gateway.originate(ONE)


async def test_a_command_that_cannot_be_carried_out_is_refused() -> None:
    async with answering({"POST channels/call/play": 500}) as far:
        with pytest.raises(CommandRefused):
            await far.gateway.play("call", "sound:beep", "play")


async def test_seconds_are_whole_because_asterisk_reads_a_fraction_as_no_limit() -> None:
    async with answering({}) as far:
        await far.gateway.originate(ONE)
        (body,) = (json.loads(r["message_body"]) for r in far.asked if r["uri"] == "channels")
    assert body == {
        "endpoint": "PJSIP/1555@trunk",
        "app": "test",
        "channelId": "call",
        "timeout": 2,
        "callerId": "1000",
        "variables": {"TIMEOUT(absolute)": "3600"},
    }


async def test_a_message_that_is_not_understood_is_passed_over() -> None:
    for nonsense in ("nonsense", "[]", '{"type":"RESTResponse"}', '{"type":"StasisStart"}'):
        async with answering({}, first=nonsense) as far:
            await far.gateway.originate(ONE)
            assert far.heard == []


@pytest.mark.parametrize(
    ("kind", "address", "endpoint"),
    [
        ("tel", "+1555", "PJSIP/+1555@trunk"),
        ("sip", "sip:ann@example.org", "PJSIP/trunk/sip:ann@example.org"),
        ("sip", "ann@example.org", "PJSIP/trunk/sip:ann@example.org"),
    ],
)
def test_an_address_is_put_in_the_words_of_asterisk(kind: str, address: str, endpoint: str) -> None:
    one = Origination("call", address, kind, None, ONE.ring_timeout, ONE.absolute_timeout)
    assert endpoint_of(one) == endpoint
