"""etcd and kube-apiserver, built from their Go modules and run here: Kubernetes' own word.

Nothing is behind them: no scheduler, no kubelet. What they accept is stored and not carried out.
"""

import fcntl
import json
import os
import secrets
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import trustme
from campaignctl.infrastructure import Ground, require_program
from campaignctl.infrastructure.kafka_jars import cache_folder
from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.provider import Announce
from campaignctl.supervision import Supervisor

Manifest = dict[str, Any]

MODULE = Path(__file__).parent / "control-plane"
PROGRAMS = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
BUILT_WITHIN_S = 3600.0
READY_WITHIN_S = 120.0
APPLIER = "campaign-engine"
CRD = "apiextensions.k8s.io/v1/customresourcedefinitions"


class Rejected(Exception):
    """The API server does not take an object; the text is what it says."""


@dataclass
class ControlPlane:
    """A running API server, and a client who may do everything.

    Attributes:
        version: Of Kubernetes.
    """

    version: str
    client: httpx.Client
    _plurals: dict[str, dict[str, tuple[str, bool]]] = field(default_factory=dict)

    def apply(self, one: Manifest, namespace: str) -> Manifest:
        """Apply an object on the server's side, unknown fields refused, and return what is stored.

        Raises:
            Rejected: It is not accepted.
        """
        params = {"fieldManager": APPLIER, "fieldValidation": "Strict", "force": "true"}
        path = f"{self.path_of(one, namespace)}/{one['metadata']['name']}"
        headers = {"Content-Type": "application/apply-patch+yaml"}
        return self._told("PATCH", path, content=json.dumps(one), params=params, headers=headers)

    def create(self, one: Manifest, namespace: str) -> Manifest:
        """Create an object.

        Raises:
            Rejected: It is not accepted.
        """
        params = {"fieldValidation": "Strict"}
        return self._told("POST", self.path_of(one, namespace), json=one, params=params)

    def path_of(self, one: Manifest, namespace: str) -> str:
        """Return where objects of this one's kind are."""
        plural, is_namespaced = self._kinds(one["apiVersion"])[one["kind"]]
        where = (
            f"/namespaces/{one['metadata'].get('namespace', namespace)}" if is_namespaced else ""
        )
        return f"{root_of(one['apiVersion'])}{where}/{plural}"

    def _kinds(self, api: str) -> dict[str, tuple[str, bool]]:
        if api not in self._plurals:
            known = self._told("GET", root_of(api))["resources"]
            self._plurals[api] = {
                each["kind"]: (each["name"], each["namespaced"])
                for each in known
                if "/" not in each["name"]
            }
        return self._plurals[api]

    def _told(self, method: str, path: str, **asked: Any) -> Manifest:
        answer = self.client.request(method, path, **asked)
        told: Manifest = answer.json()
        if answer.is_error:
            raise Rejected(f"{method} {path}: {told.get('message')}")
        return told


def root_of(api: str) -> str:
    """Return the path of a version of a group."""
    return f"/apis/{api}" if "/" in api else f"/api/{api}"


def require_programs(ground: Ground) -> tuple[Path, str]:
    """Return the folder of both programs, built if they are not there yet, and the version.

    It takes some minutes, once: they are kept beside Kafka, by the version of Kubernetes.
    """
    version = pinned_version()
    folder = cache_folder() / "control-plane" / version
    folder.mkdir(parents=True, exist_ok=True)
    with (folder.parent / f"{version}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for name, package in PROGRAMS.items():
            if not (folder / name).is_file():
                _build(ground.supervisor, ground.announce, package, folder / name, version)
    return folder, version


def pinned_version() -> str:
    """Return the version of Kubernetes that the module pins."""
    lines = (MODULE / "go.mod").read_text("utf-8").splitlines()
    (line,) = (line for line in lines if line.strip().startswith("k8s.io/kubernetes v"))
    return line.split()[1]


def _build(
    supervisor: Supervisor, announce: Announce, package: str, target: Path, version: str
) -> None:
    announce(f"Building {target.name} of Kubernetes {version} (some minutes, once) ...")
    go = require_program("go", supervisor, announce)
    part = target.with_suffix(".part")
    major, minor = version.removeprefix("v").split(".")[:2]
    told = {"gitVersion": version, "gitMajor": major, "gitMinor": minor}
    flags = " ".join(
        f"-X k8s.io/component-base/version.{key}={value}" for key, value in told.items()
    )
    command = [go, "build", "-C", str(MODULE), "-trimpath", "-ldflags", f"-s -w {flags}"]
    supervisor.run(
        f"build-{target.name}", [*command, "-o", str(part), package], within_s=BUILT_WITHIN_S
    )
    part.rename(target)


@contextmanager
def control_plane(ground: Ground, folder: Path) -> Iterator[ControlPlane]:
    """Have both for the time of the block; they keep what they hold in a folder."""
    programs, version = require_programs(ground)
    etcd, peer, port = (free_port() for _ in range(3))
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1", "localhost")
    certificate.private_key_and_cert_chain_pem.write_to_path(folder / "server.pem")
    authority.cert_pem.write_to_path(folder / "ca.pem")
    _service_account_key(folder)
    token = secrets.token_urlsafe()
    tokens = folder / "tokens.csv"
    tokens.touch(0o600)
    tokens.write_text(f'{token},admin,admin,"system:masters"\n')
    with httpx.Client(
        base_url=f"https://127.0.0.1:{port}",
        verify=ssl.create_default_context(cafile=folder / "ca.pem"),
        headers={"Authorization": f"Bearer {token}"},
        timeout=60,
        trust_env=False,
    ) as client:
        ground.supervisor.start(
            "etcd",
            [str(programs / "etcd"), *etcd_words(folder, etcd, peer)],
            ready=lambda: answers(f"http://127.0.0.1:{etcd}/health"),
            within_s=READY_WITHIN_S,
        )
        ground.supervisor.start(
            "kube-apiserver",
            [str(programs / "kube-apiserver"), *apiserver_words(folder, etcd, port, tokens)],
            ready=lambda: is_ready(client),
            within_s=READY_WITHIN_S,
        )
        try:
            yield ControlPlane(version, client)
        finally:
            for child in ("kube-apiserver", "etcd"):
                ground.supervisor.kill(child)


def etcd_words(folder: Path, port: int, peer: int) -> list[str]:
    """Return what etcd is told."""
    here, other = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer}"
    return [
        f"--data-dir={folder / 'etcd'}",
        "--name=one",
        f"--listen-client-urls={here}",
        f"--advertise-client-urls={here}",
        f"--listen-peer-urls={other}",
        f"--initial-advertise-peer-urls={other}",
        f"--initial-cluster=one={other}",
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]


def apiserver_words(folder: Path, etcd: int, port: int, tokens: Path) -> list[str]:
    """Return what the API server is told; all that it admits by default, it admits here."""
    return [
        f"--etcd-servers=http://127.0.0.1:{etcd}",
        "--bind-address=127.0.0.1",
        "--endpoint-reconciler-type=none",  # nobody is to find it; loopback is no address for it
        f"--secure-port={port}",
        f"--tls-cert-file={folder / 'server.pem'}",
        f"--tls-private-key-file={folder / 'server.pem'}",
        f"--cert-dir={folder}",
        f"--token-auth-file={tokens}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={folder / 'accounts.pem'}",
        f"--service-account-signing-key-file={folder / 'accounts.pem'}",
        "--service-cluster-ip-range=10.96.0.0/16",
    ]


def _service_account_key(folder: Path) -> None:
    command = ["openssl", "genrsa", "-out", str(folder / "accounts.pem"), "2048"]
    subprocess.run(command, check=True, capture_output=True, env=os.environ)


def answers(url: str) -> bool:
    """Whether somebody answers that all is well."""
    try:
        return httpx.get(url, timeout=1, trust_env=False).is_success
    except httpx.TransportError:
        return False


def is_ready(client: httpx.Client) -> bool:
    """Whether the API server serves."""
    try:
        return client.get("/readyz", timeout=2).is_success
    except httpx.TransportError:
        return False


def definition(api: str, kind: str, schema: Manifest) -> Manifest:
    """Return the object that makes a kind known to the API server."""
    group, _, version = api.partition("/")
    names = {"kind": kind, "plural": f"{kind.lower()}s", "singular": kind.lower()}
    served = {"name": version, "served": True, "storage": True}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{names['plural']}.{group}", "annotations": APPROVED},
        "spec": {
            "group": group,
            "names": names,
            "scope": "Namespaced",
            "versions": [served | {"schema": {"openAPIV3Schema": whole(schema)}}],
        },
    }


def whole(schema: Any) -> Any:
    """Return a trimmed schema as the API server wants it."""
    if isinstance(schema, list):
        return [whole(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    told = {key: whole(value) for key, value in schema.items()}
    if "x-kubernetes-list-map-keys" in told:
        told.setdefault("x-kubernetes-list-type", "map")
    return told


APPROVED = {"api-approved.kubernetes.io": "unapproved, for tests alone"}
"""Groups under k8s.io ask for a word; others do not mind it."""
