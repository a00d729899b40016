"""Places where a fault test can kill the process: named, counted, and armed from outside.

A file, named by the setting `failpoint_file`, says where: `NAME` or `NAME N` for the Nth time that
the place is reached. Whoever reaches it removes the file and dies by SIGKILL, so that each arming
kills once, whichever of several processes it hits. Without the setting nothing is looked at.
"""

import os
import signal
from collections import Counter
from pathlib import Path

_armed_by: list[Path] = []
_reached: Counter[str] = Counter()


def watch(file: Path | None) -> None:
    """Look at this file from now on, or at none."""
    _armed_by[:] = [file] if file else []
    _reached.clear()


def reach(name: str) -> None:
    """Die here if this place is armed."""
    if not _armed_by:
        return
    try:
        armed, _, count = _armed_by[0].read_text(encoding="utf-8").strip().partition(" ")
    except FileNotFoundError:
        _reached.clear()
        return
    if armed != name:
        return
    _reached[name] += 1
    if _reached[name] < int(count or 1):
        return
    try:
        _armed_by[0].unlink()
    except FileNotFoundError:  # another was faster
        return
    os.kill(os.getpid(), signal.SIGKILL)
