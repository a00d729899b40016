"""The ground under Kafka and Redis: a supervisor, a folder, and whom to tell.

A data folder is held by one run at a time. The guardian of a run holds it too, so that the next run
waits until the last server of a killed one has closed its files.
"""

import fcntl
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from campaignctl.infrastructure.provider import Announce, Ground, InfrastructureUnavailable
from campaignctl.supervision import Supervisor

LOCK_LIMIT_S = 15.0


def print_line(line: str) -> None:
    """Write a line to the standard output, at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


@contextmanager
def standing_ground(
    *, announce: Announce = print_line, data_folder: Path | None = None
) -> Iterator[Ground]:
    """Have what `find_kafka` and `find_redis` need; all that they start ends with the block.

    Raises:
        InfrastructureUnavailable: Another run uses the data folder.
    """
    with ExitStack() as at_end:
        held = [at_end.enter_context(_exclusive(data_folder))] if data_folder else []
        supervisor = at_end.enter_context(Supervisor(data_folder, held_open=held))
        yield Ground(supervisor, announce, at_end, must_keep=data_folder is not None)


@contextmanager
def _exclusive(folder: Path) -> Iterator[int]:
    """Hold a data folder; the guardian of an earlier run may hold it for a moment yet."""
    folder.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + LOCK_LIMIT_S
    with (folder / ".lock").open("w") as lock:
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise InfrastructureUnavailable(f"another run uses {folder}") from error
                time.sleep(0.1)
        yield lock.fileno()
