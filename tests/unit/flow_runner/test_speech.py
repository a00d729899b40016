"""Speech: spoken once, kept whole, fit for a telephone."""

import array
import asyncio
import math
import wave
from io import BytesIO
from pathlib import Path

import httpx
import pytest
from flow_runner.adapters.audio import RATE, telephone_wav
from flow_runner.adapters.espeak import Espeak
from flow_runner.api import build_api
from flow_runner.ports import CannotSpeak


def an_engine(folder: Path, program: str = "espeak-ng") -> Espeak:
    return Espeak(program=program, folder=folder, public_url="http://runner/")


def a_script(folder: Path, body: str) -> str:
    path = folder / "engine"
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)
    return str(path)


def kept(folder: Path) -> Path:
    (file,) = folder.glob("*.wav")
    return file


def tone(hertz: float, rate: int) -> "array.array[int]":
    return array.array(
        "h", (int(20_000 * math.sin(2 * math.pi * hertz * n / rate)) for n in range(rate))
    )


def loudness(wav: bytes) -> float:
    with wave.open(BytesIO(wav)) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    middle = samples[1000:-1000]
    return math.sqrt(sum(one * one for one in middle) / len(middle))


async def test_a_text_is_spoken_as_telephone_audio(tmp_path: Path, espeak_ng: str) -> None:
    spoken = await an_engine(tmp_path, espeak_ng).speak("Hello there.", "en-US", "")
    file = kept(tmp_path)
    assert spoken.url == f"http://runner/media/{file.name}"
    with wave.open(str(file)) as audio:
        assert (audio.getframerate(), audio.getnchannels(), audio.getsampwidth()) == (RATE, 1, 2)
        assert spoken.duration_ms == audio.getnframes() * 1000 // RATE
    assert spoken.duration_ms > 400
    assert loudness(file.read_bytes()) > 500


async def test_an_empty_text_is_a_prompt_of_zero_length_without_an_engine(tmp_path: Path) -> None:
    for text in ("", "  ", "<speak></speak>"):
        spoken = await an_engine(tmp_path, "/nowhere").speak(text, "en-US", "")
        assert spoken.duration_ms == 0
    file = kept(tmp_path)
    with wave.open(str(file)) as audio:
        assert audio.getnframes() == 0


async def test_one_text_is_spoken_once_however_many_ask(tmp_path: Path, espeak_ng: str) -> None:
    program = a_script(tmp_path, f'echo x >> {tmp_path}/count\nexec {espeak_ng} "$@"')
    engine = an_engine(tmp_path / "cache", program)
    asked = await asyncio.gather(*(engine.speak("Once.", "en-US", "") for _ in range(20)))
    assert len({one.url for one in asked}) == 1
    assert await an_engine(tmp_path / "cache", program).speak("Once.", "en-US", "") == asked[0]
    assert (tmp_path / "count").read_text() == "x\n"


async def test_text_language_and_voice_make_the_name(tmp_path: Path, espeak_ng: str) -> None:
    engine = an_engine(tmp_path, espeak_ng)
    spoken = [
        await engine.speak(*one)
        for one in (("a", "en-US", ""), ("b", "en-US", ""), ("a", "de-DE", ""), ("a", "en-US", "f"))
    ]
    assert len({one.url for one in spoken}) == 4


async def test_a_language_the_engine_lacks_is_spoken_in_english(
    tmp_path: Path, espeak_ng: str
) -> None:
    spoken = await an_engine(tmp_path, espeak_ng).speak("Hello.", "zz-ZZ", "")
    assert spoken.duration_ms > 0


async def test_a_text_is_never_an_argument_of_the_engine(tmp_path: Path, espeak_ng: str) -> None:
    spoken = await an_engine(tmp_path, espeak_ng).speak("--version", "en-US", "")
    assert spoken.duration_ms > 0


@pytest.mark.parametrize("body", ["exit 1", "echo nonsense", "exit 0"])
async def test_an_engine_that_fails_says_so_and_keeps_nothing(tmp_path: Path, body: str) -> None:
    engine = an_engine(tmp_path / "cache", a_script(tmp_path, body))
    with pytest.raises(CannotSpeak):
        await engine.speak("Hello.", "en-US", "")
    assert not list((tmp_path / "cache").glob("*"))


async def test_an_engine_that_hangs_is_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flow_runner.adapters.espeak.LIMIT_S", 0.2)
    engine = an_engine(tmp_path, a_script(tmp_path, "exec sleep 60"))
    with pytest.raises(CannotSpeak):
        await engine.speak("Hello.", "en-US", "")


async def test_a_missing_engine_says_so(tmp_path: Path) -> None:
    with pytest.raises(CannotSpeak):
        await an_engine(tmp_path, "/nowhere").speak("Hello.", "en-US", "")


def test_speech_passes_the_filter_and_what_would_fold_back_does_not() -> None:
    heard = loudness(telephone_wav(tone(1000, 22_050), 22_050))
    folded = loudness(telephone_wav(tone(6000, 22_050), 22_050))
    assert heard == pytest.approx(20_000 / math.sqrt(2), rel=0.05)
    assert folded < heard / 50


async def test_the_gateway_fetches_what_was_spoken(tmp_path: Path) -> None:
    engine = an_engine(tmp_path, "/nowhere")
    spoken = await engine.speak("", "en-US", "")
    transport = httpx.ASGITransport(build_api(engine.path_of))
    async with httpx.AsyncClient(transport=transport, base_url="http://runner") as client:
        answer = await client.get(spoken.url)
        assert answer.headers["content-type"] == "audio/wav"
        assert answer.content[:4] == b"RIFF"
        for path in ("/media/unknown.wav", f"/media/{'0' * 64}.wav", "/media/..%2Fx.wav"):
            assert (await client.get(path)).status_code == 404
