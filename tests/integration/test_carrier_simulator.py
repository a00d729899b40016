"""The simulated network as a process: its doors, its journal, its time, its death."""

import asyncio
import json
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, cast

import httpx
import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus

Unique = Callable[[str], str]

ORDER_OF_AN_ANSWERED_CALL = [
    ("Dial", ""),
    ("Dial", "RINGING"),
    ("ChannelStateChange", "Ringing"),
    ("ChannelStateChange", "Up"),
    ("Dial", "ANSWER"),
    ("StasisStart", "Up"),
    ("ChannelHangupRequest", "Up"),
    ("StasisEnd", "Up"),
    ("ChannelDestroyed", "Up"),
]


class Simulator:
    def __init__(self, program: Process, address: str, journal: Path) -> None:
        self.program = program
        self.address = address
        self.journal = journal
        self.http = httpx.AsyncClient(
            base_url=f"http://{address}/ari/", auth=("dialer", "dialer"), trust_env=False
        )

    async def originate(self, id_: str, number: str, **more: Any) -> httpx.Response:
        body = {"endpoint": f"PJSIP/{number}@trunk", "app": "test", "channelId": id_, **more}
        return await self.http.post("channels", json=body)

    def listen(self, application: str = "test") -> connect:
        url = f"ws://{self.address}/ari/events?app={application}&api_key=dialer:dialer"
        return connect(url, compression=None)

    def entries(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.journal.read_text().splitlines()]


@asynccontextmanager
async def started(folder: Path, *options: str) -> AsyncIterator[Simulator]:
    journal = folder / "journal.jsonl"
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "carrier_simulator", "--journal", str(journal),
        "--call-records", str(folder / "calls.csv"), *options, stdout=PIPE,
    )  # fmt: skip
    said = (await cast("asyncio.StreamReader", program.stdout).readline()).decode()
    simulator = Simulator(program, said.removeprefix("listening on ").strip(), journal)
    try:
        async with simulator.http:
            yield simulator
    finally:
        if program.returncode is None:
            program.terminate()
        await program.communicate()


@pytest.fixture
async def simulator(tmp_path: Path) -> AsyncIterator[Simulator]:
    async with started(tmp_path, "--speed", "10") as simulator:
        yield simulator


async def event(socket: ClientConnection, type_: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (heard := cast("dict[str, Any]", json.loads(await socket.recv())))["type"] != type_:
            pass
    return heard


async def ask(socket: ClientConnection, method: str, uri: str, **more: Any) -> dict[str, Any]:
    request = {"type": "RESTRequest", "request_id": "1", "method": method, "uri": uri, **more}
    await socket.send(json.dumps(request))
    return await event(socket, "RESTResponse")


async def test_the_journal_keeps_what_was_answered_through_kill_9(
    tmp_path: Path, unique: Unique
) -> None:
    ids = [unique("call") for _ in range(50)]
    async with started(tmp_path) as simulator:
        answers = await asyncio.gather(
            *(simulator.originate(id_, "155500180", callerId="1000", appArgs="a,b") for id_ in ids)
        )
        simulator.program.kill()
        await simulator.program.wait()
    assert [answer.status_code for answer in answers] == [200] * len(ids)
    assert sorted(entry["channel_id"] for entry in simulator.entries()) == sorted(ids)
    assert {key: simulator.entries()[0][key] for key in ("number", "caller_id", "app_args")} == {
        "number": "155500180",
        "caller_id": "1000",
        "app_args": "a,b",
    }


async def test_a_refused_origination_is_not_in_the_journal(
    simulator: Simulator, unique: Unique
) -> None:
    id_ = unique("call")
    assert (await simulator.originate(id_, "155500180")).status_code == 200
    assert (await simulator.originate(id_, "155500180")).status_code == 409
    assert (await simulator.originate(unique("call"), "1/2")).status_code == 409
    assert (await simulator.http.post("channels", json={"app": "test"})).status_code == 400
    assert (await simulator.http.post("channels", content=b"{")).status_code == 400
    assert [entry["channel_id"] for entry in simulator.entries()] == [id_]


async def test_an_id_can_be_dialed_again_when_its_channel_is_gone(
    simulator: Simulator, unique: Unique
) -> None:
    id_ = unique("call")
    assert (await simulator.originate(id_, "155500180")).status_code == 200
    assert (await simulator.http.delete(f"channels/{id_}")).status_code == 204
    assert (await simulator.originate(id_, "155500180")).status_code == 200
    assert len(simulator.entries()) == 2


async def test_an_answered_call_is_told_in_the_order_of_asterisk(
    simulator: Simulator, unique: Unique
) -> None:
    heard: list[tuple[str, str]] = []
    async with simulator.listen() as socket, asyncio.timeout(10):
        await simulator.originate(unique("call"), "155570101")
        while not heard or heard[-1][0] != "ChannelDestroyed":
            told = json.loads(await socket.recv())
            state = told["channel"]["state"] if "channel" in told else told["dialstatus"]
            heard.append((told["type"], state))
    assert heard == ORDER_OF_AN_ANSWERED_CALL


async def test_both_doors_lead_to_the_same_channels(simulator: Simulator, unique: Unique) -> None:
    id_ = unique("call")
    async with simulator.listen() as socket:
        body = {"endpoint": "PJSIP/155500180@trunk", "app": "test", "channelId": id_}
        made = await ask(socket, "POST", "channels", message_body=json.dumps(body))
        assert made["status_code"] == 200
        shown = await simulator.http.get(f"channels/{id_}")
        assert (shown.status_code, shown.json()["state"]) == (200, "Ringing")
        query = [{"name": "reason_code", "value": "34"}]
        ended = await ask(socket, "DELETE", f"channels/{id_}", query_strings=query)
        assert ended["status_code"] == 204
    assert (await simulator.http.get(f"channels/{id_}")).status_code == 404
    assert (await simulator.http.get("channels")).json() == []


async def test_nobody_enters_without_the_password(simulator: Simulator) -> None:
    wrong = await simulator.http.get("channels", auth=("dialer", "wrong"))
    assert wrong.status_code == 401
    with pytest.raises(InvalidStatus):
        await connect(f"ws://{simulator.address}/ari/events?app=a&api_key=dialer:wrong")


async def test_a_second_socket_takes_the_application_over(
    simulator: Simulator, unique: Unique
) -> None:
    async with simulator.listen() as first, simulator.listen() as second:
        assert (await event(first, "ApplicationReplaced"))["application"] == "test"
        await simulator.originate(unique("call"), "155570000")
        await event(second, "StasisStart")
        assert (await ask(first, "GET", "asterisk/info"))["status_code"] == 200


async def test_a_filter_that_forgets_answers_keeps_them_back_as_asterisk_does(
    simulator: Simulator,
) -> None:
    async with simulator.listen() as socket:
        for allowed, comes in ((["StasisStart", "RESTResponse"], True), (["StasisStart"], False)):
            body = json.dumps({"allowed": [{"type": type_} for type_ in allowed]})
            await simulator.http.put("applications/test/eventFilter", content=body)
            question = {"type": "RESTRequest", "request_id": "1", "method": "GET"}
            await socket.send(json.dumps({**question, "uri": "asterisk/info"}))
            with nullcontext() if comes else pytest.raises(TimeoutError):
                await asyncio.wait_for(socket.recv(), 5 if comes else 0.3)


async def test_a_number_that_is_busy_first_answers_on_its_nth_attempt(
    simulator: Simulator, unique: Unique
) -> None:
    causes = []
    async with simulator.listen() as socket:
        for _ in range(3):
            await simulator.originate(unique("call"), "155500953")
            causes.append((await event(socket, "ChannelDestroyed")).get("tech_cause"))
    assert causes == [486, 486, None]


async def test_a_digit_is_pressed_after_the_playback(simulator: Simulator, unique: Unique) -> None:
    id_ = unique("call")
    async with simulator.listen() as socket:
        await simulator.originate(id_, "155500974")
        await event(socket, "StasisStart")
        await simulator.http.post(f"channels/{id_}/play?media=sound:beep")
        await event(socket, "PlaybackFinished")
        assert (await event(socket, "ChannelDtmfReceived"))["digit"] == "4"


async def test_who_listens_hears_all_and_hangs_up_in_the_silence_after(
    simulator: Simulator, unique: Unique
) -> None:
    id_ = unique("call")
    async with simulator.listen() as socket:
        await simulator.originate(id_, "155500961")
        await event(socket, "StasisStart")
        for media in ("sound:tt-monkeys", "sound:beep"):  # 16 s is more than its patience
            await simulator.http.post(f"channels/{id_}/play", params={"media": media})
        finished = [(await event(socket, "PlaybackFinished"))["playback"] for _ in range(2)]
        assert [playback["state"] for playback in finished] == ["done", "done"]
        assert (await event(socket, "ChannelDestroyed"))["cause"] == 0


@pytest.mark.parametrize("speed", [10, 100])
async def test_speed_divides_all_durations(tmp_path: Path, unique: Unique, speed: int) -> None:
    async with started(tmp_path, "--speed", str(speed)) as simulator, simulator.listen() as socket:
        before = time.monotonic()
        await simulator.originate(unique("call"), "155572900")
        await event(socket, "StasisStart")
        assert 29 / speed <= time.monotonic() - before < 29 / speed + 2.5


async def test_it_survives_clients_that_die_or_talk_nonsense(
    simulator: Simulator, unique: Unique
) -> None:
    async with simulator.listen() as socket:
        await socket.send("nonsense")
        await socket.send('{"type": "RESTRequest", "query_strings": [1]}')
        assert (await ask(socket, "GET", "channels/none"))["status_code"] == 404
        await simulator.originate(unique("call"), "155570101")
        socket.transport.abort()
    host, port = simulator.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"nonsense\r\n\r\n")
    writer.close()
    assert (await simulator.http.get("asterisk/info")).status_code == 200


async def test_sigterm_ends_it_cleanly(tmp_path: Path) -> None:
    async with started(tmp_path) as simulator, simulator.listen():
        simulator.program.terminate()
        assert await asyncio.wait_for(simulator.program.wait(), 5) == 0
