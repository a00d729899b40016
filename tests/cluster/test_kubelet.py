"""What a container sees, and how it is asked and ended: small programs that tell."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from campaignctl.supervision import Supervisor

from tests.cluster.images import PATH, Image
from tests.cluster.kubelet import Node, RunningPod
from tests.cluster.network import Network
from tests.cluster.pods import Manifest, pod_of

LOOK = """
import json, os, pathlib
def may(do):
    try: do(); return True
    except OSError: return False
print(json.dumps({
    "pid": os.getpid(), "uid": os.getuid(), "groups": sorted({os.getgid(), *os.getgroups()}),
    "host": os.uname().nodename, "env": sorted(os.environ),
    "writes root": may(lambda: pathlib.Path("/etc/hosts").write_text("x")),
    "writes tmp": may(lambda: pathlib.Path("/tmp/x").write_text("x")),
    "reads secret": may(lambda: pathlib.Path("/secret/password").read_text()),
    "writes secret": may(lambda: pathlib.Path("/secret/password").write_text("x")),
    "sees the machine": os.path.exists("/etc/shadow") or os.path.exists("/var"),
    "rights": [
        line.split()[1]
        for line in open("/proc/self/status")
        if line.startswith(("CapEff", "NoNewPrivs"))
    ],
}))
"""
SERVE = """
import http.server, time
class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(503 if time.time() > {until} else 200); self.end_headers()
http.server.HTTPServer(("0.0.0.0", 80{port}), Answer).serve_forever()
"""
SECRET = {"kind": "Secret", "metadata": {"name": "s"}, "stringData": {"password": "open"}}
NOBODY = {"runAsUser": 10001, "runAsGroup": 10001, "fsGroup": 10001}
IMAGE = Image(env={"PATH": PATH})

Run = Callable[..., RunningPod]


@pytest.fixture
def run(pod_network: Network, tmp_path: Path) -> Iterator[Run]:
    """Starts a pod of a Python program."""
    with Supervisor(tmp_path) as supervisor:
        node = Node(supervisor, pod_network, tmp_path / "pods")
        made: list[RunningPod] = []

        def one(program: str, pod: Manifest | None = None, **more: Any) -> RunningPod:
            container = {
                "command": ["python", "-u", "-c", program],
                "securityContext": {
                    "readOnlyRootFilesystem": True,
                    "allowPrivilegeEscalation": False,
                },
                "volumeMounts": [
                    {"name": "tmp", "mountPath": "/tmp"},
                    {"name": "secret", "mountPath": "/secret"},
                ],
                **more,
            }
            volumes = [
                {"name": "tmp", "emptyDir": {}},
                {"name": "secret", "secret": {"secretName": "s", "defaultMode": 0o440}},
            ]
            spec = {
                "containers": [container],
                "volumes": volumes,
                "securityContext": NOBODY,
                "enableServiceLinks": False,
                "restartPolicy": "Never",
                **(pod or {}),
            }
            space, address = pod_network.add_pod()
            template = {"metadata": {"labels": {}}, "spec": spec}
            told = pod_of(template, f"p{len(made)}", address, [SECRET], IMAGE)
            made.append(RunningPod(told, space, node))
            return made[-1]

        yield one
        for pod in made:
            pod.kill()


def said(pod: RunningPod) -> str:
    until(lambda: pod.code is not None)
    return (pod.folder.parents[1] / "logs" / f"{pod.pod.name}.log").read_text()


def until(condition: Callable[[], bool], within_s: float = 60) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_container_is_nobody_and_sees_what_it_is_given(run: Run) -> None:
    told = json.loads(said(run(LOOK)))
    known = {"HOSTNAME", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT", "LC_CTYPE", "PATH"}
    assert set(told.pop("env")) <= known
    assert told == {
        "pid": 1,
        "uid": 10001,
        "groups": [10001],
        "host": "p0",
        "writes root": False,
        "writes tmp": True,
        "reads secret": True,
        "writes secret": False,
        "sees the machine": False,
        "rights": ["0000000000000000", "1"],
    }


def test_without_a_group_of_the_files_a_secret_cannot_be_read(run: Run) -> None:
    others = {"runAsUser": 10001, "runAsGroup": 10001}
    told = json.loads(said(run(LOOK, {"securityContext": others})))
    assert (told["reads secret"], told["writes tmp"]) == (False, True)


def test_who_does_not_hear_sigterm_is_killed_when_its_grace_is_over(run: Run) -> None:
    deaf = run("import time; print('up'); time.sleep(600)", {"terminationGracePeriodSeconds": 1})
    until(lambda: "up" in (deaf.folder.parents[1] / "logs/p0.log").read_text())
    deaf.end()
    deaf.await_gone()
    assert deaf.was_killed


def probe(port: int, failures: int) -> Manifest:
    told = {"path": "/", "port": port}
    return {"httpGet": told, "periodSeconds": 0.1, "failureThreshold": failures}


def test_it_is_ready_while_it_says_so(run: Run) -> None:
    program = f"import time\nend = time.time() + 8\n{SERVE.format(until='end', port=90)}"
    pod = run(program, readinessProbe=probe(8090, 2))
    assert not pod.is_ready
    until(lambda: pod.is_ready)
    until(lambda: not pod.is_ready)
    assert not pod.failures


def test_who_does_not_live_any_more_is_started_again(run: Run) -> None:
    program = SERVE.format(until=0, port=91)
    always = {"restartPolicy": "Always"}
    pod = run(program, always, livenessProbe=probe(8091, 30))
    until(lambda: len(pod.failures) >= 2)
    assert pod.failures[0] == "its liveness probe failed"
