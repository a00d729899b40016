"""What the flow-runner needs from outside: someone who speaks."""

from typing import NamedTuple, Protocol


class CannotSpeak(Exception):
    """The text could not be spoken; the action fails and the run goes on."""


class Spoken(NamedTuple):
    """A text that has become audio: where it is fetched, and how long it takes."""

    url: str
    duration_ms: int


class Speech(Protocol):
    """Turns texts into audio that the gateway can fetch."""

    async def speak(self, text: str, language: str, voice: str) -> Spoken:
        """Return the spoken text.

        Raises:
            CannotSpeak: The engine is missing, refuses the text or takes too long.
        """
