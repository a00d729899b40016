"""Becomes a container: run by `unshare` in namespaces of its own, with the path of what it is told.

It sees a root folder of its own, which holds the system's programs, Python and this working copy
to read, and the volumes of its pod. Then it gives up every right and becomes the pod's command. It
runs before Python finds any package, so it knows the standard library alone.
"""

import ctypes
import json
import os
import socket
import sys
from pathlib import Path
from typing import Any

BIND, REC, RO, REMOUNT, NOSUID = 4096, 16384, 1, 32, 2
DEVICES = ("null", "zero", "full", "random", "urandom")
LINKS = ("bin", "lib", "lib64", "sbin")
SYSTEM = ("ssl", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "alternatives", "localtime")

libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: Path, kind: str, flags: int, told: str = "") -> None:
    words = (source.encode(), str(target).encode(), kind.encode())
    if libc.mount(*words, flags, told.encode()):
        number = ctypes.get_errno()
        raise OSError(number, f"mount {source} on {target}: {os.strerror(number)}")


def bind(source: str, target: Path, *, is_read_only: bool) -> None:
    if Path(source).is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    mount(source, target, "", BIND | REC)
    if is_read_only:
        mount("", target, "", BIND | REMOUNT | RO | NOSUID)


def furnish(root: Path, told: dict[str, Any]) -> None:
    """Put everything in its place under the root."""
    mount("pod", root, "tmpfs", 0, "mode=755")
    show_system(root)
    (root / "etc/hosts").write_text(told["hosts"], encoding="utf-8")
    (root / "etc/nsswitch.conf").write_text("hosts: files\n", encoding="utf-8")
    for name in DEVICES:
        bind(f"/dev/{name}", root / "dev" / name, is_read_only=False)
    (root / "tmp").mkdir(mode=0o1777)
    (root / "proc").mkdir()
    mount("proc", root / "proc", "proc", NOSUID)
    for source, target, is_read_only in told["volumes"]:
        bind(source, root / target.lstrip("/"), is_read_only=is_read_only)
    for source, target in told["shown"]:  # above the volumes: a working copy may lie in /tmp
        bind(source, root / target.lstrip("/"), is_read_only=True)
    if told["is_root_read_only"]:
        mount("", root, "", REMOUNT | RO)


def show_system(root: Path) -> None:
    """Show the programs and libraries of the machine."""
    bind("/usr", root / "usr", is_read_only=True)
    for name in LINKS:
        if (link := Path("/", name)).is_symlink():
            (root / name).symlink_to(link.readlink())
        elif link.is_dir():
            bind(str(link), root / name, is_read_only=True)
    for name in SYSTEM:
        if (there := Path("/etc", name)).exists():
            bind(str(there), root / "etc" / name, is_read_only=True)


def main() -> None:
    """Become the container."""
    told = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    pid = str(Path("/proc/self").readlink())  # seen from outside: /proc is still the machine's
    socket.sethostname(told["name"])
    root = Path(told["root"])
    furnish(root, told)
    Path(told["pid_file"]).write_text(pid, encoding="utf-8")
    os.chroot(root)
    os.chdir(told["folder"])
    who = [f"--reuid={told['user']}", f"--regid={told['group']}", f"--groups={told['groups']}"]
    rights = ["--bounding-set=-all", "--inh-caps=-all"]
    if not told["may_gain_privileges"]:
        rights.append("--no-new-privs")
    words = ["setpriv", *who, *rights, "--", *told["command"]]
    os.execve("/usr/bin/setpriv", words, told["env"])


if __name__ == "__main__":
    main()
