"""How long a playback takes: the duration of its media.

`sound:http(s)://...` is fetched once per URL and measured by its WAV header, `sound:/path` is read
from the disk, a plain sound name must be in the table below. Durations are simulated seconds.
"""

import asyncio
import math
import struct
from collections import OrderedDict
from pathlib import Path

import httpx

NEVER = math.inf
"""Of a medium that plays on until it is stopped, or whose end Asterisk does not tell."""

SHIPPED: dict[str, float] = {
    "beep": 0.2,
    "demo-congrats": 30.0,
    "hello-world": 1.3,
    "tt-monkeys": 16.0,
    "vm-goodbye": 0.9,
}
"""Seconds of the sounds that come with Asterisk, as far as they are known here."""

SECONDS_PER_DIGIT = 0.5
RAW_BYTES_PER_S: dict[str, int] = {".ulaw": 8000, ".alaw": 8000, ".sln": 16000}
KEPT = 20_000


class SoundMissing(Exception):
    """There is no such sound, or it is no sound."""


class Sounds:
    """Durations of media, each URL fetched once."""

    def __init__(self) -> None:
        self._known: OrderedDict[str, float] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[float]] = {}
        self._http: httpx.AsyncClient | None = None

    def known(self, media: str) -> float | None:
        """Return the duration of a medium that has been measured before, without waiting."""
        return self._known.get(media)

    async def duration(self, media: str) -> float:
        """Return the seconds that a list of media takes.

        Raises:
            SoundMissing: One of them is not there.
        """
        return sum([await self._one(medium) for medium in media.split(",")])

    async def aclose(self) -> None:
        """Close the connections."""
        if self._http is not None:
            await self._http.aclose()

    async def _one(self, media: str) -> float:
        scheme, _, name = media.partition(":")
        if scheme in {"digits", "number"}:
            return SECONDS_PER_DIGIT * len(name)
        if scheme != "sound":
            return NEVER  # a tone plays on; of any other scheme Asterisk never tells the end
        if name.startswith(("http://", "https://")):
            return await self._fetched(media, name)
        if name.startswith("/"):
            return await asyncio.to_thread(_measured_file, Path(name))
        if name not in SHIPPED:
            raise SoundMissing(name)
        return SHIPPED[name]

    async def _fetched(self, media: str, url: str) -> float:
        if media in self._known:
            return self._known[media]
        if media not in self._fetching:
            self._fetching[media] = asyncio.create_task(self._fetch(url))
        try:
            self._known[media] = await asyncio.shield(self._fetching[media])
        finally:
            self._fetching.pop(media, None)
        if len(self._known) > KEPT:
            self._known.popitem(last=False)
        return self._known[media]

    async def _fetch(self, url: str) -> float:
        if self._http is None:
            self._http = httpx.AsyncClient(timeout=10.0, trust_env=False)
        try:
            answer = await self._http.get(url)
            answer.raise_for_status()
        except httpx.HTTPError as error:
            raise SoundMissing(url) from error
        return wav_seconds(answer.content)


def wav_seconds(content: bytes) -> float:
    """Return the duration of a WAV file.

    Raises:
        SoundMissing: It is no WAV file.
    """
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise SoundMissing("not a WAV file")
    at, bytes_per_s = 12, 0
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        at += 8
        if name == b"fmt ":
            bytes_per_s = struct.unpack_from("<I", content, at + 8)[0]
        elif name == b"data" and bytes_per_s:
            return float(min(size, len(content) - at)) / bytes_per_s
        at += size + size % 2
    raise SoundMissing("a WAV file without sound")


def _measured_file(path: Path) -> float:
    """Measure a file; as with Asterisk, its suffix may be left out."""
    wav = path if path.suffix == ".wav" else path.with_name(path.name + ".wav")
    if wav.is_file():
        return wav_seconds(wav.read_bytes())
    for suffix, bytes_per_s in RAW_BYTES_PER_S.items():
        raw = path if path.suffix == suffix else path.with_name(path.name + suffix)
        if raw.is_file():
            return raw.stat().st_size / bytes_per_s
    raise SoundMissing(str(path))
