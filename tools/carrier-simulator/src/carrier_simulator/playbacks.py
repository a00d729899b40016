"""Playbacks: those of one channel are heard one after the other."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Any

from carrier_simulator.channel import Channel
from carrier_simulator.sounds import SoundMissing, Sounds


class Playback:
    """One list of media to be heard on one channel."""

    def __init__(self, playback_id: str, media: str, channel_id: str) -> None:
        self.id = playback_id
        self.media = media
        self.channel_id = channel_id
        self.state = "queued"

    def snapshot(self) -> dict[str, Any]:
        """Return the playback as ARI shows it."""
        return {
            "id": self.id,
            "media_uri": self.media,
            "target_uri": f"channel:{self.channel_id}",
            "language": "en",
            "state": self.state,
        }


class Playlist:
    """What plays on one channel, and what waits for its turn."""

    def __init__(
        self,
        channel: Channel,
        sounds: Sounds,
        *,
        speed: float,
        on_finished: Callable[[Playback], None],
    ) -> None:
        self._channel = channel
        self._sounds = sounds
        self._speed = speed
        self._on_finished = on_finished
        self._waiting: deque[Playback] = deque()
        self._playing: Playback | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._measuring: asyncio.Task[None] | None = None

    def add(self, playback: Playback) -> None:
        """Play when those before it have finished."""
        self._waiting.append(playback)
        if self._playing is None:
            asyncio.get_running_loop().call_soon(self._next)

    def stop(self, playback: Playback) -> None:
        """End a playback before its time."""
        if playback is self._playing:
            self._finish("done")
        elif playback in self._waiting:
            self._waiting.remove(playback)
            self._tell_finished(playback, "done")

    def hush(self) -> None:
        """Fail what plays and forget what waits: the channel ends."""
        waiting, self._waiting = list(self._waiting), deque()
        if self._playing is not None:
            self._finish("failed")
        for playback in waiting:
            self._on_finished(playback)

    def _next(self) -> None:
        if self._playing is not None or not self._waiting:
            return
        self._channel.notice_sound()
        self._playing = self._waiting.popleft()
        known = self._sounds.known(self._playing.media)
        if known is not None:
            self._start(known)
        else:
            self._measuring = asyncio.create_task(self._measure(self._playing))

    async def _measure(self, playback: Playback) -> None:
        try:
            seconds = await self._sounds.duration(playback.media)
        except SoundMissing:
            if playback is self._playing:
                self._finish("failed")
            return
        if playback is self._playing:
            self._start(seconds)

    def _start(self, seconds: float) -> None:
        playback = self._playing
        if playback is None:
            return
        playback.state = "playing"
        self._channel.tell("PlaybackStarted", showing="", playback=playback.snapshot())
        if seconds == 0:
            self._finish("done")
        elif not math.isinf(seconds):
            self._timer = asyncio.get_running_loop().call_later(
                seconds / self._speed, self._finish, "done"
            )

    def _finish(self, state: str) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        playback, self._playing = self._playing, None
        if playback is None:
            return
        self._tell_finished(playback, state)
        if state == "done":
            self._channel.notice_end_of_playback()
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._next)
        else:
            self._channel.notice_silence()

    def _tell_finished(self, playback: Playback, state: str) -> None:
        playback.state = state
        self._on_finished(playback)
        self._channel.tell("PlaybackFinished", showing="", playback=playback.snapshot())
