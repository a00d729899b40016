"""What the flow-runner needs from outside: someone who speaks."""

from typing import Protocol


class CannotSpeak(Exception):
    """The text could not be spoken; the action fails and the run goes on."""


class Speech(Protocol):
    """Turns texts into audio that the gateway can fetch."""

    async def speak(self, text: str, language: str, voice: str) -> str:
        """Return the URL of the spoken text.

        Raises:
            CannotSpeak: The engine is missing, refuses the text or takes too long.
        """
