"""Our dialing core as the worker: `python -m bench.queues.ours`.

It is the dialer as it is, with the gateway taken out: in its place 50 ms of waiting, of which it
remembers nothing. So nobody can say what became of an item whose worker died, and it is settled as
ambiguous; with a real gateway it would be looked up.
"""

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch

from chassis.lifecycle import run
from contracts.call import Attempt
from dialer import app
from dialer.domain.signals import CallSignal, ChannelEnded
from dialer.ports import Fate, Gateway, Origination, Sighting
from dialer.settings import Settings
from dialer.usecases.campaigns import Campaigns

IO_S = 0.05
NORMAL_CLEARING = 16


class Journal:
    """The worker's side of the journal."""

    def __init__(self) -> None:
        self.io_over: set[str] = set()
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT
        self._file = os.open(os.environ["BENCH_JOURNAL"], flags)

    def tell(self, what: str, address: str) -> None:
        """Append a line, in one write; the item's number is in its address."""
        os.write(self._file, f"{what} {item_of(address)} {time.time():.6f}\n".encode())


def item_of(address: str) -> int:
    """Return the number of the item that has this address, +1 and ten digits."""
    return int(address[2:])


class Waiting(Gateway):
    """A gateway whose calls are 50 ms of nothing."""

    run_id = "bench"
    stood_in_for: frozenset[str] = frozenset()

    def __init__(
        self,
        *,
        journal: Journal,
        on_signal: Callable[[CallSignal], None],
        on_connection: Callable[[bool], None],
        **_rest: Any,
    ) -> None:
        self._journal, self._on_signal, self._on_connection = journal, on_signal, on_connection
        self._calls: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Be connected."""
        self._on_connection(True)
        await asyncio.Event().wait()

    async def originate(self, origination: Origination) -> None:
        """Begin the I/O of an item."""
        self._journal.tell("began", origination.address)
        self._calls.add(call := asyncio.create_task(self._io(origination)))
        call.add_done_callback(self._calls.discard)

    async def _io(self, origination: Origination) -> None:
        await asyncio.sleep(IO_S)
        self._journal.io_over.add(origination.channel_id)
        now = datetime.now(UTC)
        end = ChannelEnded(origination.channel_id, now, NORMAL_CLEARING, None, was_answered=True)
        self._on_signal(end)

    async def play(self, channel_id: str, media: str, playback_id: str) -> None:
        """Do nothing, as all that follows."""

    async def stop_playback(self, playback_id: str) -> None: ...

    async def connect(self, bridge_id: str, channel_ids: tuple[str, ...]) -> None: ...

    async def hang_up(self, channel_id: str, cause: int = NORMAL_CLEARING) -> None: ...

    async def lookup(self, channel_id: str) -> Sighting:  # noqa: ARG002 - all are alike
        """Say that nothing is known: the I/O died with its worker."""
        return Sighting(Fate.UNKNOWN)

    def stand_in(self, worker: str) -> None:
        """Hear nothing: no call outlives its worker."""

    def stand_down(self, worker: str) -> None:
        """Hear nothing any more."""


def main() -> None:
    """Run until killed."""
    journal = Journal()

    class Telling(Campaigns):
        """Tells the journal of each end that is committed, if the I/O has ended and not just its worker."""

        def on_settled(self, attempt: Attempt) -> None:
            super().on_settled(attempt)
            if attempt.attempt_id in journal.io_over:
                journal.tell("ended", attempt.destination.address)

    def waiting(**told: Any) -> Waiting:
        return Waiting(journal=journal, **told)

    with patch.object(app, "AriGateway", waiting), patch.object(app, "Campaigns", Telling):
        run(app.build(Settings()))


if __name__ == "__main__":
    main()
