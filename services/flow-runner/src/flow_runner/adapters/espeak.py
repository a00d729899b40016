"""Speech by espeak-ng, kept by the hash of what is said: a text is spoken once, whoever asks."""

import array
import asyncio
import hashlib
import io
import os
import re
import tempfile
import wave
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import structlog

from flow_runner.adapters.audio import RATE, telephone_wav
from flow_runner.ports import CannotSpeak, Spoken

log = structlog.get_logger()

LIMIT_S = 20.0
AT_ONCE = 2
LONGEST_TEXT = 5000
HEADER_BYTES = 44
BYTES_PER_MS = 2 * RATE // 1000
LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]+)*")
DEFAULT = "en-us"
VARIANTS = {"female": "+f3", "male": "+m3"}
TAG = re.compile(r"<[^>]*>")


class VoiceMissing(CannotSpeak):
    """The engine has no such voice."""


class Espeak:
    """The flow-runner's `Speech`."""

    def __init__(self, *, program: str, folder: Path, public_url: str) -> None:
        self._program = program
        self._folder = folder
        self._public_url = public_url.rstrip("/")
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._speaking: dict[str, asyncio.Task[None]] = {}

    async def speak(self, text: str, language: str, voice: str) -> Spoken:
        """Return the spoken text; markup (SSML) is dropped."""
        plain = TAG.sub(" ", text).strip()[:LONGEST_TEXT]
        name = hashlib.sha256(f"{voice}\n{language}\n{plain}".encode()).hexdigest()
        duration_ms = await self._have(name, plain, voices_of(language, voice))
        return Spoken(f"{self._public_url}/media/{name}.wav", duration_ms)

    def path_of(self, name: str) -> Path:
        """Return where a spoken text is kept."""
        return self._folder / f"{name}.wav"

    async def _have(self, name: str, text: str, voices: Sequence[str]) -> int:
        """Return the duration of a text that is kept; one that is not is spoken first, once."""
        path = self.path_of(name)
        if (duration_ms := _duration_ms(path)) is not None:
            return duration_ms
        task = self._speaking.get(name)
        if task is None:
            task = asyncio.create_task(self._make(name, text, voices))
            self._speaking[name] = task
            task.add_done_callback(lambda _: self._speaking.pop(name, None))
        await asyncio.shield(task)
        return _duration_ms(path) or 0

    async def _make(self, name: str, text: str, voices: Sequence[str]) -> None:
        spoken = await self._first(text, voices) if text else telephone_wav(array.array("h"), RATE)
        try:
            await asyncio.to_thread(_write, self.path_of(name), spoken)
        except OSError as error:
            raise CannotSpeak(f"cannot be kept: {error}") from error

    async def _first(self, text: str, voices: Sequence[str]) -> bytes:
        """Speak with the first voice that the engine has."""
        *better, last = voices
        for voice in better:
            with suppress(VoiceMissing):
                return await self._run(text, voice)
        return await self._run(text, last)

    async def _run(self, text: str, voice: str) -> bytes:
        async with self._turn:
            try:
                program = await asyncio.create_subprocess_exec(
                    self._program, "-v", voice, "--stdin", "--stdout",
                    stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE,
                    stderr=asyncio.subprocess.PIPE,
                )  # fmt: skip
            except OSError as error:
                raise CannotSpeak(f"{self._program}: {error}") from error
            try:
                async with asyncio.timeout(LIMIT_S):
                    audio, complaint = await program.communicate(text.encode())
            except TimeoutError as error:
                program.kill()
                await program.wait()
                raise CannotSpeak(f"not within {LIMIT_S} s") from error
        if program.returncode != 0 or not audio:
            why = complaint.decode(errors="replace").strip()
            raise VoiceMissing(why) if "voice does not exist" in why else CannotSpeak(why)
        try:
            return await asyncio.to_thread(_telephone, audio)
        except (wave.Error, EOFError) as error:
            raise CannotSpeak(f"no audio: {error}") from error


def voices_of(language: str, voice: str) -> tuple[str, ...]:
    """Return espeak's names to try for a BCP 47 language: `en-US` is `en-us`; at last, English.

    Of the voice only its sex is heard: the names of other engines' voices mean nothing here.
    """
    wanted = language.lower() if LANGUAGE.fullmatch(language) else DEFAULT
    variant = VARIANTS.get(voice.lower(), "")
    names = (wanted, wanted.partition("-")[0], DEFAULT)
    return tuple(dict.fromkeys(f"{name}{variant}" for name in names))


def _duration_ms(path: Path) -> int | None:
    """Return how long a kept text takes; None if it is not kept."""
    try:
        size = path.stat().st_size
    except OSError:
        return None
    return max(0, size - HEADER_BYTES) // BYTES_PER_MS


def _telephone(audio: bytes) -> bytes:
    with wave.open(io.BytesIO(audio)) as file:
        rate = file.getframerate()
        frames = file.readframes(2**31 - 1)
    samples = array.array("h")
    samples.frombytes(frames[: len(frames) // 2 * 2])
    return telephone_wav(samples, rate)


def _write(path: Path, audio: bytes) -> None:
    """Whole or not at all: another process may look at the same moment."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=".part")
    with os.fdopen(handle, "wb") as file:
        file.write(audio)
    Path(unfinished).replace(path)
