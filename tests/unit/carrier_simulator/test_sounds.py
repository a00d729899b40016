"""How long media take."""

import io
import math
import wave
from pathlib import Path

import pytest
from carrier_simulator.sounds import SoundMissing, Sounds, wav_seconds


def a_wav(seconds: float, *, rate: int = 8000) -> bytes:
    content = io.BytesIO()
    with wave.open(content, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(rate)
        sound.writeframes(bytes(2 * int(seconds * rate)))
    return content.getvalue()


@pytest.mark.parametrize("seconds", [0.0, 0.5, 15.6])
@pytest.mark.parametrize("rate", [8000, 22050])
def test_the_header_gives_the_duration(seconds: float, rate: int) -> None:
    assert wav_seconds(a_wav(seconds, rate=rate)) == pytest.approx(seconds, abs=0.001)


@pytest.mark.parametrize("content", [b"", b"<html>", b"RIFF\0\0\0\0WAVE", a_wav(1)[:40]])
def test_what_is_no_wav_file_is_no_sound(content: bytes) -> None:
    with pytest.raises(SoundMissing):
        wav_seconds(content)


async def test_a_list_takes_as_long_as_its_media_together(tmp_path: Path) -> None:
    (tmp_path / "one.wav").write_bytes(a_wav(1))
    (tmp_path / "two.ulaw").write_bytes(bytes(16000))
    media = f"sound:{tmp_path}/one,sound:{tmp_path}/two,digits:42"
    assert await Sounds().duration(media) == pytest.approx(4.0)


async def test_a_tone_plays_until_it_is_stopped() -> None:
    assert await Sounds().duration("tone:busy") == math.inf


async def test_a_sound_that_is_not_there_is_missing(tmp_path: Path) -> None:
    for media in ("sound:no-such-file", f"sound:{tmp_path}/none", "sound:http://127.0.0.1:9/a.wav"):
        with pytest.raises(SoundMissing):
            await Sounds().duration(media)
