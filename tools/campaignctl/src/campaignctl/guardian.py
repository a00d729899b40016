"""The process that survives a killed supervisor just long enough to tidy up.

It leads the process group that all children join before they begin, and waits at a pipe whose
other end only the supervisor holds. Any byte is a farewell: the children are stopped, and what
they may have left in the group is killed. The end of the pipe without one says that the supervisor
died: the group is asked to end, then killed, then the temporary folders go. Started by its path,
with the standard library alone, so that it is up in milliseconds.
"""

import os
import shutil
import signal
import sys
import time


def stand_guard(grace_s: float, temporary_folders: list[str]) -> None:
    """Wait for the supervisor's farewell or death; after its death, leave nothing behind."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    is_farewell = sys.stdin.buffer.read() != b""
    group = os.getpgrp()
    if is_farewell:
        os.killpg(group, signal.SIGKILL)  # itself too, and so the supervisor knows that it is done
    if os.fork():
        os._exit(0)  # the leader must be gone for the group to count as empty
    os.setpgid(0, 0)
    _end_group(group, grace_s)
    for folder in temporary_folders:
        shutil.rmtree(folder, ignore_errors=True)


def _end_group(group: int, grace_s: float) -> None:
    deadline = time.monotonic() + grace_s
    try:
        os.killpg(group, signal.SIGTERM)
        while time.monotonic() < deadline:
            os.killpg(group, 0)
            time.sleep(0.02)
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return  # empty; macOS answers so for a group of which only zombies are left


if __name__ == "__main__":
    stand_guard(float(sys.argv[1]), sys.argv[2:])
