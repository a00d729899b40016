"""What the dialer may rely on at its gateway: one suite for the simulator and for Asterisk.

With ARI_URL (and ARI_USERNAME, ARI_PASSWORD, ARI_CALL_RECORDS) the same cases run against a real
Asterisk whose trunk leads to a callee that knows the same numbers; those that need the simulator's
own means are skipped there.
"""

import asyncio
import sys
import wave
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from os import environ
from pathlib import Path
from typing import Any, TypeVar, cast
from urllib.parse import urlsplit

import httpx
import pytest
from dialer.adapters import ari_socket
from dialer.adapters.ari import AriGateway
from dialer.domain.signals import (
    Answered,
    CallSignal,
    ChannelEnded,
    DigitPressed,
    PlaybackFinished,
    PlaybackStarted,
    Ringing,
)
from dialer.ports import (
    ChannelGone,
    Fate,
    GatewayPaused,
    GatewayUnavailable,
    Origination,
    OriginationRefused,
    Sighting,
)

Unique = Callable[[str], str]
S = TypeVar("S", bound=CallSignal)

WITHIN_S = 40.0
SPEED = "10"
"""Of the simulator; Asterisk takes its time."""

ANSWERS = "155570000"
ANSWERS_AND_HANGS_UP = "155570001"
RINGS_A_SECOND = "155570100"
RINGS_FOR_EVER = "155500180"
NEVER_REPLIES = "155500000"

simulated = pytest.mark.skipif("ARI_URL" in environ, reason="needs the simulator's own means")


@dataclass
class Carrier:
    url: str
    username: str = "dialer"
    password: str = "dialer"
    call_records: Path | None = None
    program: Process | None = None


class Line:
    """A gateway, and all that it has told."""

    def __init__(self, carrier: Carrier, application: str) -> None:
        self.heard: list[CallSignal] = []
        self.connections: list[bool] = []
        self.carrier = carrier
        self.gateway = AriGateway(
            url=carrier.url,
            username=carrier.username,
            password=carrier.password,
            application=application,
            call_records=carrier.call_records,
            on_signal=self.heard.append,
            on_connection=self.connections.append,
        )

    def of(self, channel_id: str, kind: type[S]) -> list[S]:
        return [s for s in self.heard if s.channel_id == channel_id and isinstance(s, kind)]

    async def hears(self, channel_id: str, kind: type[S]) -> S:
        await until(lambda: bool(self.of(channel_id, kind)))
        return self.of(channel_id, kind)[0]

    async def answered(self, channel_id: str, number: str = ANSWERS) -> None:
        await self.gateway.originate(an_origination(channel_id, number))
        await self.hears(channel_id, Answered)


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(WITHIN_S):
        while not is_so():
            await asyncio.sleep(0.005)


def an_origination(channel_id: str, number: str, *, ring_s: float = 20.0) -> Origination:
    return Origination(
        channel_id=channel_id,
        address=number,
        kind="tel",
        caller_id="15550001000",
        ring_timeout=timedelta(seconds=ring_s),
        absolute_timeout=timedelta(seconds=600),
    )


@asynccontextmanager
async def simulator(folder: Path, *options: str, port: str = "0") -> AsyncIterator[Carrier]:
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "carrier_simulator", "--port", port,
        "--journal", str(folder / "journal.jsonl"), "--call-records", str(folder / "calls.csv"),
        *options, stdout=PIPE,
    )  # fmt: skip
    try:
        said = (await cast("asyncio.StreamReader", program.stdout).readline()).decode()
        address = said.removeprefix("listening on ").strip()
        assert address, "the simulator did not start"
        yield Carrier(f"http://{address}/ari", call_records=folder / "calls.csv", program=program)
    finally:
        if program.returncode is None:
            program.terminate()
        await program.communicate()


@asynccontextmanager
async def a_line(carrier: Carrier, application: str) -> AsyncIterator[Line]:
    line = Line(carrier, application)
    running = asyncio.create_task(line.gateway.run())
    try:
        await until(lambda: line.gateway.is_connected)
        yield line
    finally:
        await line.gateway.aclose()
        await running


@pytest.fixture
async def carrier(tmp_path: Path) -> AsyncIterator[Carrier]:
    if url := environ.get("ARI_URL"):
        records = environ.get("ARI_CALL_RECORDS")
        yield Carrier(
            url,
            environ.get("ARI_USERNAME", "dialer"),
            environ.get("ARI_PASSWORD", "dialer"),
            Path(records) if records else None,
        )
        return
    async with simulator(tmp_path, "--speed", SPEED) as simulated_carrier:
        yield simulated_carrier


@pytest.fixture
async def line(carrier: Carrier, unique: Unique) -> AsyncIterator[Line]:
    async with a_line(carrier, unique("dialer")) as line:
        yield line


# ---- a call


async def test_a_call_rings_is_answered_and_ends(line: Line, unique: Unique) -> None:
    id_, before = unique("call"), datetime.now(UTC)
    await line.gateway.originate(an_origination(id_, RINGS_A_SECOND))
    ringing, answered = await line.hears(id_, Ringing), await line.hears(id_, Answered)
    await line.gateway.hang_up(id_)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (16, None, True)
    slack = timedelta(seconds=1)
    assert before - slack <= ringing.at < answered.at <= ended.at <= datetime.now(UTC) + slack


async def test_a_far_end_that_hangs_up_gives_an_unknown_cause(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.answered(id_, ANSWERS_AND_HANGS_UP)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (0, True)


@simulated
async def test_a_gateway_that_has_too_much_to_do_says_for_how_long(
    line: Line, unique: Unique
) -> None:
    number = "155500982"
    with pytest.raises(GatewayPaused) as asked:
        await line.gateway.originate(an_origination(refused := unique("call"), number))
    assert asked.value.pause == timedelta(seconds=2)
    assert (await line.gateway.lookup(refused)).fate is Fate.NEVER_SEEN
    await line.answered(unique("call"), number)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (301, 16), (403, 21), (404, 1), (408, 18), (410, 22), (480, 19), (484, 28), (486, 17),
        (488, 58), (500, 38), (502, 27), (503, 34), (504, 102), (600, 17), (603, 21), (607, 127),
        (608, 127),
    ],
)  # fmt: skip
async def test_a_refusal_keeps_its_sip_status_beside_the_cause(
    line: Line, unique: Unique, status: int, cause: int
) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, f"155500{status}"))
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (cause, status, False)
    assert not line.of(id_, Answered)


@pytest.mark.parametrize("number", [RINGS_FOR_EVER, NEVER_REPLIES])
async def test_the_ring_timeout_ends_a_call_that_nobody_answers(
    line: Line, unique: Unique, number: str
) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, number, ring_s=1.0))
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (19, 480, False)


async def test_hanging_up_ends_a_call_that_rings(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, RINGS_FOR_EVER))
    await line.hears(id_, Ringing)
    await line.gateway.hang_up(id_)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (16, False)


async def test_the_cause_of_a_hang_up_is_ours_to_choose(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.answered(id_)
    await line.gateway.hang_up(id_, cause=34)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause) == (34, 503)


async def test_the_absolute_timeout_ends_a_call_nobody_ends(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    whole = an_origination(id_, ANSWERS)
    await line.gateway.originate(
        Origination(
            channel_id=id_,
            address=whole.address,
            kind=whole.kind,
            caller_id=None,
            ring_timeout=whole.ring_timeout,
            absolute_timeout=timedelta(seconds=2),
        )
    )
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (0, True)


@pytest.mark.parametrize("number", ["155500915", "155500925"])
async def test_a_digit_is_heard(line: Line, unique: Unique, number: str) -> None:
    id_ = unique("call")
    await line.answered(id_, number)
    assert (await line.hears(id_, DigitPressed)).digit == "5"
    await line.gateway.hang_up(id_)


# ---- originations that are refused, or come twice


async def test_one_channel_id_is_one_call_however_often_it_is_asked_for(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    one = an_origination(id_, ANSWERS)
    await asyncio.gather(*(line.gateway.originate(one) for _ in range(3)))
    await line.hears(id_, Answered)
    await line.gateway.hang_up(id_)
    await line.hears(id_, ChannelEnded)
    assert len(line.of(id_, Answered)) == 1
    assert len(line.of(id_, ChannelEnded)) == 1


async def test_an_unknown_endpoint_is_refused_and_nothing_is_dialed(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    with pytest.raises(OriginationRefused) as refusal:
        await line.gateway.originate(an_origination(id_, "1555@nowhere"))
    assert refusal.value.status == 409


async def test_a_sip_uri_is_dialed_through_the_trunk(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(
        Origination(
            channel_id=id_,
            address="sip:1555@nowhere.invalid",
            kind="sip",
            caller_id=None,
            ring_timeout=timedelta(seconds=20),
            absolute_timeout=timedelta(seconds=60),
        )
    )
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause) == (34, 503)


# ---- playbacks


async def test_a_sound_file_plays_as_long_as_it_is(
    line: Line, unique: Unique, tmp_path: Path
) -> None:
    id_, sound = unique("call"), a_sound(tmp_path, seconds=2.0)
    await line.answered(id_)
    await line.gateway.play(id_, f"sound:{sound.with_suffix('')}", f"{id_}-1")
    started = await line.hears(id_, PlaybackStarted)
    finished = await line.hears(id_, PlaybackFinished)
    assert (finished.playback_id, finished.is_failed) == (f"{id_}-1", False)
    took_s = (finished.at - started.at).total_seconds() * speed_of(line)
    assert 1.0 < took_s < 20.0, "a busy machine may be late"


async def test_playbacks_of_one_channel_are_heard_one_after_the_other(
    line: Line, unique: Unique, tmp_path: Path
) -> None:
    id_, sound = unique("call"), a_sound(tmp_path, seconds=0.5)
    await line.answered(id_)
    for position in range(3):
        await line.gateway.play(id_, f"sound:{sound.with_suffix('')}", f"{id_}-{position}")
    await until(lambda: len(line.of(id_, PlaybackFinished)) == 3)
    heard = [s.playback_id for s in line.heard if isinstance(s, PlaybackStarted | PlaybackFinished)]
    assert heard == [f"{id_}-{position}" for position in (0, 0, 1, 1, 2, 2)]


async def test_a_playback_can_be_stopped_and_is_then_finished(
    line: Line, unique: Unique, tmp_path: Path
) -> None:
    id_, sound = unique("call"), a_sound(tmp_path, seconds=300.0)
    await line.answered(id_)
    await line.gateway.play(id_, f"sound:{sound.with_suffix('')}", f"{id_}-1")
    await line.hears(id_, PlaybackStarted)
    await line.gateway.stop_playback(f"{id_}-1")
    assert not (await line.hears(id_, PlaybackFinished)).is_failed
    await line.gateway.stop_playback(f"{id_}-1")


async def test_a_missing_file_is_a_failed_playback(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.answered(id_)
    await line.gateway.play(id_, "sound:no-such-file", f"{id_}-1")
    assert (await line.hears(id_, PlaybackFinished)).is_failed


@simulated
async def test_a_sound_of_no_length_served_by_http_finishes_at_once(
    line: Line, unique: Unique, tmp_path: Path
) -> None:
    id_ = unique("call")
    async with a_web_server(a_sound(tmp_path, seconds=0.0).read_bytes()) as url:
        await line.answered(id_)
        await line.gateway.play(id_, f"sound:{url}", f"{id_}-1")
        finished = await line.hears(id_, PlaybackFinished)
    assert not finished.is_failed


# ---- channels that are gone


async def test_a_channel_that_never_was_cannot_be_played_to_nor_connected(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    with pytest.raises(ChannelGone):
        await line.gateway.play(id_, "sound:beep", f"{id_}-1")
    with pytest.raises(ChannelGone):
        await line.gateway.connect(unique("bridge"), (id_,))
    await line.gateway.hang_up(id_)


async def test_two_calls_are_connected_by_one_bridge_however_often(
    line: Line, unique: Unique
) -> None:
    one, two, bridge = unique("call"), unique("call"), unique("bridge")
    await asyncio.gather(line.answered(one), line.answered(two))
    await line.gateway.connect(bridge, (one, two))
    await line.gateway.connect(bridge, (one, two))
    shown = await asked(line, f"bridges/{bridge}")
    assert sorted(shown.json()["channels"]) == sorted((one, two))
    await asyncio.gather(line.gateway.hang_up(one), line.gateway.hang_up(two))
    async with asyncio.timeout(WITHIN_S):
        while (await asked(line, f"bridges/{bridge}")).status_code != 404:
            await asyncio.sleep(0.01)


# ---- looking up


async def test_a_lookup_tells_ringing_from_up_from_ended(line: Line, unique: Unique) -> None:
    rings, is_up, busy = unique("call"), unique("call"), unique("call")
    await line.gateway.originate(an_origination(rings, RINGS_FOR_EVER, ring_s=200))
    await line.answered(is_up)
    await line.gateway.originate(an_origination(busy, "155500486"))
    await line.hears(rings, Ringing)
    await line.hears(busy, ChannelEnded)
    assert await line.gateway.lookup(rings) == Sighting(Fate.LIVE, state="ringing")
    assert await line.gateway.lookup(is_up) == Sighting(Fate.LIVE, state="up")
    await line.gateway.hang_up(rings)
    await line.gateway.hang_up(is_up)
    await line.hears(is_up, ChannelEnded)
    if line.carrier.call_records is None:
        return
    assert await line.gateway.lookup(busy) == Sighting(Fate.ENDED, disposition="BUSY")
    sighting = await line.gateway.lookup(is_up)
    assert (sighting.fate, sighting.was_answered) == (Fate.ENDED, True)
    assert sighting.disposition == "ANSWERED"


async def test_what_was_never_dialed_was_never_seen(line: Line, unique: Unique) -> None:
    if line.carrier.call_records is None:
        pytest.skip("no call records given")
    run_id = line.gateway.run_id
    assert run_id, "by whose word it is: a gateway that was started anew knows nothing of before"
    sighting = await line.gateway.lookup(unique("call"))
    assert sighting == Sighting(Fate.NEVER_SEEN, gateway_run=run_id)


async def test_without_call_records_an_absent_channel_is_unknown(
    carrier: Carrier, unique: Unique, tmp_path: Path
) -> None:
    for records in (None, tmp_path / "not-there.csv"):
        blind = Carrier(carrier.url, carrier.username, carrier.password, call_records=records)
        async with a_line(blind, unique("dialer")) as line:
            assert await line.gateway.lookup(unique("call")) == Sighting(Fate.UNKNOWN)


async def test_who_looks_a_live_call_up_hears_of_it_from_then_on(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    await line.answered(id_)
    async with a_line(line.carrier, unique("dialer")) as heir:
        assert (await heir.gateway.lookup(id_)).fate is Fate.LIVE
        await heir.gateway.hang_up(id_)
        assert (await heir.hears(id_, ChannelEnded)).was_answered


# ---- the connection


async def test_a_call_that_is_up_survives_the_loss_of_the_socket(
    carrier: Carrier, unique: Unique
) -> None:
    name, id_ = unique("dialer"), unique("call")
    async with a_line(carrier, name) as before:
        await before.answered(id_)
    async with a_line(carrier, name) as after:
        await after.gateway.hang_up(id_)
        assert (await after.hears(id_, ChannelEnded)).was_answered


async def test_a_call_answered_while_nobody_listens_is_dropped_and_on_record(
    carrier: Carrier, unique: Unique
) -> None:
    name, id_ = unique("dialer"), unique("call")
    async with a_line(carrier, name) as before:
        await before.gateway.originate(an_origination(id_, "155571500"))
        await before.hears(id_, Ringing)
    async with a_line(carrier, unique("dialer")) as other, asyncio.timeout(WITHIN_S):
        while (await asked(other, f"channels/{id_}")).status_code != 404:
            await asyncio.sleep(0.01)
        if carrier.call_records is not None:
            sighting = await other.gateway.lookup(id_)
            assert (sighting.fate, sighting.was_answered) == (Fate.ENDED, True)
            assert sighting.billsec < 1.0


async def test_who_is_replaced_commands_nothing_until_the_application_is_its_own_again(
    carrier: Carrier, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ari_socket, "FIRST_PAUSE_REPLACED_S", 5.0)
    name = unique("dialer")
    async with a_line(carrier, name) as first:
        async with a_line(carrier, name):
            await until(lambda: first.connections == [True, False])
            with pytest.raises(GatewayUnavailable):
                await first.gateway.originate(an_origination(unique("call"), ANSWERS))
        await until(lambda: first.connections == [True, False, True])
        await first.answered(unique("call"))


@simulated
async def test_the_gateway_comes_back_after_the_network_was_killed(
    tmp_path: Path, unique: Unique
) -> None:
    async with simulator(tmp_path) as carrier:
        line = Line(carrier, unique("dialer"))
        running = asyncio.create_task(line.gateway.run())
        await until(lambda: line.gateway.is_connected)
        assert carrier.program is not None
        carrier.program.kill()
        await until(lambda: not line.gateway.is_connected)
        with pytest.raises(GatewayUnavailable):
            await line.gateway.hang_up(unique("call"))
    port = str(urlsplit(carrier.url).port)
    async with simulator(tmp_path, port=port):
        await until(lambda: line.connections == [True, False, True])
        await line.answered(unique("call"))
        await line.gateway.aclose()
        await running


@simulated
async def test_signals_that_come_doubled_or_reordered_answer_once(
    line: Line, unique: Unique
) -> None:
    doubled, reordered, reversed_ = unique("call"), unique("call"), unique("call")
    await line.gateway.originate(an_origination(doubled, "155500943"))
    await line.gateway.originate(an_origination(reordered, "155500944"))
    await line.gateway.originate(an_origination(reversed_, "155500946"))
    for id_ in (doubled, reordered, reversed_):
        assert (await line.hears(id_, ChannelEnded)).was_answered
        await line.hears(id_, Answered)
    await until(lambda: len(line.of(doubled, ChannelEnded)) == 2)
    for id_ in (doubled, reordered, reversed_):
        assert len(line.of(id_, Answered)) == 1


@simulated
async def test_a_call_that_never_calls_back_is_found_by_lookup(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, "155500945", ring_s=1.0))
    other = unique("call")
    await line.gateway.originate(an_origination(other, RINGS_FOR_EVER, ring_s=3.0))
    await line.hears(other, ChannelEnded)
    assert await line.gateway.lookup(id_) == Sighting(Fate.LIVE, state="ringing")
    await line.gateway.hang_up(id_)
    assert await line.gateway.lookup(id_) == Sighting(Fate.ENDED, disposition="NO ANSWER")
    assert not [signal for signal in line.heard if signal.channel_id == id_]


# ---- means


def a_sound(folder: Path, *, seconds: float) -> Path:
    path = folder / f"sound-{int(seconds * 1000)}.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(int(seconds * 16000)))
    return path


def speed_of(line: Line) -> float:
    return 1.0 if line.carrier.program is None else float(SPEED)


async def asked(line: Line, path: str) -> httpx.Response:
    """Ask by the other door: plain HTTP."""
    carrier = line.carrier
    auth = (carrier.username, carrier.password)
    async with httpx.AsyncClient(auth=auth, trust_env=False) as http:
        return await http.get(f"{carrier.url}/{path}")


@asynccontextmanager
async def a_web_server(content: bytes) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + content)
        writer.close()
        await writer.wait_closed()

    server: Any = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/sound.wav"
