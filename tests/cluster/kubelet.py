"""Pods that run as a kubelet runs them: files laid out, probed at their periods, ended in order."""

import json
import os
import shutil
import signal
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from socket import create_connection

from campaignctl.supervision import ChildExited, Supervisor

from tests.cluster.network import Network
from tests.cluster.pods import Pod, Probe, Volume

SHOWN = [str(Path(__file__).parents[2] / part) for part in ("libs", "services", "tools")]
"""What of the working copy pods see, as packages that are installed in an image."""
CONTAINER = Path(__file__).with_name("container.py")
TICK_S = 0.05
BACK_OFF_S = 10.0
"""Of a container that ends again and again: none, then this, then twice this."""


@dataclass
class Node:
    """What pods run on.

    Attributes:
        hosts: Names that pods know, and their addresses.
        claims: Folders that claims stand for, by name.
    """

    supervisor: Supervisor
    network: Network
    folder: Path
    hosts: dict[str, str] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)
    codes: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def code(self, name: str) -> int | None:
        """Return with what a container has ended, None while it runs."""
        with self.lock:
            with suppress(StopIteration):
                while True:
                    try:
                        self.supervisor.check()
                        break
                    except ChildExited as ended:
                        self.codes[ended.name] = ended.code
            return self.codes.get(name)

    def forget(self, name: str) -> None:
        """Begin anew with a container that has ended."""
        with self.lock:
            self.codes.pop(name, None)


class RunningPod:
    """A pod from its start to its end.

    Attributes:
        is_ready: It is to get connections.
        is_ending: Somebody has asked it to end.
        was_killed: Its grace period was not enough.
        failures: What it was started again for.
    """

    def __init__(self, pod: Pod, space: str, node: Node) -> None:
        self.pod, self._space, self._node = pod, space, node
        self.is_ready = self.is_ending = self.was_killed = False
        self.ready_since: float | None = None
        self.failures: list[str] = []
        self.folder = node.folder / pod.name
        self._pid_file = self.folder / "pid"
        self._gone = threading.Event()
        self._lay_out()
        self._launch()
        self._watching = threading.Thread(target=self._watch, daemon=True)
        self._watching.start()

    def volume(self, path: str) -> Path:
        """Return where the machine has a folder of the pod."""
        place = next(n for n, one in enumerate(self.pod.volumes) if one.path == path)
        return self._place(place, self.pod.volumes[place])

    @property
    def code(self) -> int | None:
        """With what it has ended; None while it runs."""
        return self._node.code(self.pod.name)

    def ready_for(self) -> float:
        """Return for how many seconds it has been ready."""
        since = self.ready_since
        return time.monotonic() - since if self.is_ready and since is not None else -1.0

    def end(self) -> None:
        """Ask it to end; it gets no connections from now on."""
        if not self.is_ending:
            self.is_ending, self.is_ready = True, False
            threading.Thread(target=self._end, daemon=True).start()

    def await_gone(self) -> None:
        """Return when it has ended and its traces are removed."""
        assert self._gone.wait(self.pod.grace_s + 15), f"{self.pod.name} does not end"

    def kill(self) -> None:
        """End it at once."""
        self.is_ending = True
        self._signal(signal.SIGKILL)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError, FileNotFoundError, ValueError):
            os.kill(int(self._pid_file.read_text()), number)

    def _end(self) -> None:
        began = time.monotonic()
        while self.code is None and time.monotonic() - began < self.pod.pre_stop_s:
            time.sleep(TICK_S)
        if self.code is None:
            self._signal(signal.SIGTERM)
        while self.code is None:
            if time.monotonic() - began > self.pod.grace_s:
                self.was_killed = True
                self.kill()
                break
            time.sleep(TICK_S)
        self._watching.join()
        while self.code is None:
            time.sleep(TICK_S)
        self._node.network.remove_pod(self._space)
        self._gone.set()

    def _lay_out(self) -> None:
        pod, root = self.pod, self.folder / "root"
        root.mkdir(parents=True)
        volumes = []
        for number, volume in enumerate(pod.volumes):
            place = self._place(number, volume)
            lay_out(place, volume, pod.fs_group)
            volumes.append((str(place), volume.path, volume.is_read_only))
        lines = {"localhost": "127.0.0.1", pod.name: pod.address, **self._node.hosts}
        told = {
            "name": pod.name,
            "root": str(root),
            "hosts": "".join(f"{address} {name}\n" for name, address in lines.items()),
            "shown": [
                (sys.prefix, "/opt/engine"),
                *((one, one) for one in (sys.base_prefix, *SHOWN)),
            ],
            "volumes": volumes,
            "is_root_read_only": pod.is_root_read_only,
            "may_gain_privileges": pod.may_gain_privileges,
            "pid_file": str(self._pid_file),
            "folder": pod.folder,
            "user": pod.user,
            "group": pod.group,
            "groups": ",".join(map(str, sorted({pod.group, pod.fs_group or pod.group}))),
            "command": pod.command,
            "env": dict(pod.env),
        }
        (self.folder / "told.json").write_text(json.dumps(told), encoding="utf-8")

    def _launch(self) -> None:
        apart = ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--"]
        program = [sys.executable, "-I", "-S", str(CONTAINER), str(self.folder / "told.json")]
        space = f"--net=/run/netns/{self._space}"
        self._node.supervisor.start(self.pod.name, ["nsenter", space, *apart, *program])

    def _place(self, number: int, volume: Volume) -> Path:
        if volume.claim:
            return self._node.claims[volume.claim]
        return self.folder / "volumes" / str(number)

    def _watch(self) -> None:
        self._watch_once()
        while not self.is_ending and self._is_to_restart():
            self.is_ready = False
            self.failures.append(f"it exited with {self.code}")
            rest_until = time.monotonic() + BACK_OFF_S * (len(self.failures) - 1)
            while time.monotonic() < rest_until and not self.is_ending:
                time.sleep(TICK_S)
            if not self.is_ending:
                self._node.forget(self.pod.name)
                self._launch()
                self._watch_once()

    def _is_to_restart(self) -> bool:
        return self.pod.restarts == "Always" or bool(self.pod.restarts == "OnFailure" and self.code)

    def _watch_once(self) -> None:
        asked = {kind: Asked(probe) for kind, probe in self.pod.probes.items()}
        startup = asked.pop("startup", None)
        while self.code is None and not self.is_ending:
            if startup is not None and not startup.is_fine:
                if startup.ask(self.pod.address) is False:
                    self._fail("startup")
            else:
                for kind, one in asked.items():
                    if one.ask(self.pod.address) is False and kind == "liveness":
                        self._fail("liveness")
                self._told(asked["readiness"].is_fine if "readiness" in asked else True)
            time.sleep(TICK_S)

    def _told(self, is_ready: bool) -> None:
        if is_ready and not self.is_ready:
            self.ready_since = time.monotonic()
        self.is_ready = is_ready and not self.is_ending

    def _fail(self, kind: str) -> None:
        self.failures.append(f"its {kind} probe failed")
        while self.code is None:
            self._signal(signal.SIGKILL)
            time.sleep(TICK_S)


class Asked:
    """A probe and what came of it so far."""

    def __init__(self, probe: Probe) -> None:
        self._probe = probe
        self._next = time.monotonic() + probe.delay_s
        self._in_a_row = 0
        self.is_fine = False

    def ask(self, address: str) -> bool | None:
        """Ask if it is time, and return False when it has failed too often."""
        if time.monotonic() < self._next:
            return None
        self._next = time.monotonic() + self._probe.period_s
        was_good = answers(self._probe, address)
        is_turn = was_good == (self._in_a_row > 0)
        self._in_a_row = (self._in_a_row if is_turn else 0) + (1 if was_good else -1)
        if self._in_a_row >= self._probe.successes:
            self.is_fine = True
        if self._in_a_row <= -self._probe.failures:
            self.is_fine = False
            return False
        return None


def answers(probe: Probe, address: str) -> bool:
    """Whether a container answers a probe well."""
    try:
        if not probe.path:
            create_connection((address, probe.port), probe.timeout_s).close()
            return True
        url = f"http://{address}:{probe.port}{probe.path}"
        with _straight.open(url, timeout=probe.timeout_s) as answer:
            return int(answer.status) < 400
    except (OSError, urllib.error.URLError):
        return False


_straight = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def lay_out(folder: Path, volume: Volume, group: int) -> None:
    """Make the folder of a volume as a kubelet does, with the rights that its files have there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, (content, mode) in (volume.files or {}).items():
        file = folder / name
        file.write_bytes(content)
        os.chown(file, 0, group)
        file.chmod(mode | (0o440 if group else 0))
    os.chown(folder, 0, group)
    folder.chmod(0o2777 if group else 0o777)


def is_possible() -> str:
    """Return why pods cannot be run here, "" if they can."""
    if os.geteuid() != 0:
        return "only root can make namespaces and become other users"
    missing = [name for name in ("ip", "nsenter", "unshare", "setpriv") if not shutil.which(name)]
    return f"missing: {', '.join(missing)}" if missing else ""
