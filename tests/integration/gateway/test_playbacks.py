"""What a call hears, and when it has heard it."""

import asyncio
import wave
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from dialer.domain.signals import PlaybackFinished, PlaybackStarted

from tests.integration.gateway.line import Line, Unique, simulated, speed_of, until


async def test_a_sound_file_plays_as_long_as_it_is(
    line: Line, unique: Unique, tmp_path: Path
) -> None:
    id_, sound = unique("call"), a_sound(tmp_path, seconds=20.0)
    await line.answered(id_)
    await line.gateway.play(id_, f"sound:{sound.with_suffix('')}", f"{id_}-1")
    started = await line.hears(id_, PlaybackStarted)
    finished = await line.hears(id_, PlaybackFinished)
    assert (finished.playback_id, finished.is_failed) == (f"{id_}-1", False)
    took_s = (finished.at - started.at).total_seconds() * speed_of(line)
    assert took_s == pytest.approx(20.0, abs=10.0)


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


def a_sound(folder: Path, *, seconds: float) -> Path:
    path = folder / f"sound-{int(seconds * 1000)}.wav"
    with wave.open(str(path), "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8000)
        sound.writeframes(bytes(int(seconds * 16000)))
    return path


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
