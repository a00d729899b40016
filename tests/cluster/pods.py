"""What a kubelet would make of a rendered pod: command, environment, files, user, probes."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.cluster.images import Image

Manifest = dict[str, Any]
REFERENCE = re.compile(r"\$(\$|\([\w.-]+\))")
FILE_MODE = 0o644
"""Of the files of Secrets and ConfigMaps that name no other."""


class Unresolved(Exception):
    """A pod that a kubelet would not start; the text says what is missing."""


@dataclass(frozen=True)
class Probe:
    """How a container is asked; times are in seconds.

    Attributes:
        path: Of the HTTP request; empty: that the port is open is enough.
    """

    path: str
    port: int
    period_s: float
    timeout_s: float
    delay_s: float
    failures: int
    successes: int


@dataclass(frozen=True)
class Volume:
    """A folder of a pod.

    Attributes:
        path: Where the container sees it.
        files: Name to content and mode; None: an empty folder that the pod may fill.
        claim: The claim that it stands for; empty: none.
    """

    path: str
    files: Mapping[str, tuple[bytes, int]] | None
    is_read_only: bool
    claim: str = ""


@dataclass(frozen=True)
class Pod:
    """One container that runs with nothing but this.

    Attributes:
        fs_group: Owns the volumes, and is one of the container's groups.
        pre_stop_s: Seconds between the end of its traffic and SIGTERM.
        grace_s: Seconds from there to SIGKILL; those of `pre_stop_s` count.
        restarts: Always, OnFailure or Never.
    """

    name: str
    address: str
    labels: Mapping[str, str]
    command: tuple[str, ...]
    env: Mapping[str, str]
    folder: str
    user: int
    group: int
    fs_group: int
    is_root_read_only: bool
    may_gain_privileges: bool
    volumes: tuple[Volume, ...]
    ports: Mapping[str, int]
    probes: Mapping[str, Probe]
    pre_stop_s: float
    grace_s: float
    restarts: str


def pod_of(
    template: Manifest, name: str, address: str, objects: list[Manifest], image: Image
) -> Pod:
    """Return the pod of a template.

    Args:
        template: Of a Deployment or a Job.
        objects: The Secrets, ConfigMaps and Services of its namespace.
        image: What the container's image brings.

    Raises:
        Unresolved: It refers to what is not there, or is what no image of ours can be.
    """
    spec = template["spec"]
    (container,) = spec["containers"]
    there = {(one["kind"], one["metadata"]["name"]): one for one in objects}
    fields = {"metadata.name": name, "status.podIP": address}
    told = {**image.env, "HOSTNAME": name, **_links(spec, objects)}
    env = told | env_of(container, there, fields)
    security = {**spec.get("securityContext", {}), **container.get("securityContext", {})}
    user = security.get("runAsUser", image.user)
    if security.get("runAsNonRoot") and user == 0:
        raise Unresolved(f"{name}: its image runs as root")
    program = [expanded(word, env) for word in container.get("command", image.entrypoint)]
    words = [expanded(word, env) for word in container.get("args", ())]
    hook = container.get("lifecycle", {}).get("preStop", {})
    return Pod(
        name=name,
        address=address,
        labels=template["metadata"]["labels"],
        command=(*program, *words),
        env=env,
        folder=container.get("workingDir", image.folder),
        user=user,
        group=security.get("runAsGroup", 0),
        fs_group=security.get("fsGroup", 0),
        is_root_read_only=security.get("readOnlyRootFilesystem", False),
        may_gain_privileges=security.get("allowPrivilegeEscalation", True),
        volumes=volumes_of(spec, container, there),
        ports=(ports := ports_of(container)),
        probes=_probes(container, ports),
        pre_stop_s=hook.get("sleep", {}).get("seconds", 0),
        grace_s=spec.get("terminationGracePeriodSeconds", 30),
        restarts=spec.get("restartPolicy", "Always"),
    )


def env_of(
    container: Manifest, there: Mapping[tuple[str, str], Manifest], fields: Mapping[str, str]
) -> dict[str, str]:
    """Return the variables of a container: those of `envFrom`, then of `env`, in their order."""
    env: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        for kind, key in (("ConfigMap", "configMapRef"), ("Secret", "secretRef")):
            if key in source:
                content = contents(kind, source[key]["name"], there)
                env |= {name: value.decode() for name, value in content.items()}
    for row in container.get("env", ()):
        env[row["name"]] = _value(row, env, there, fields)
    return env


def _value(
    row: Manifest,
    env: Mapping[str, str],
    there: Mapping[tuple[str, str], Manifest],
    fields: Mapping[str, str],
) -> str:
    source = row.get("valueFrom")
    if source is None:
        return expanded(str(row.get("value", "")), env)
    if "fieldRef" in source:
        return fields[source["fieldRef"]["fieldPath"]]
    kind, key = (
        ("Secret", "secretKeyRef") if "secretKeyRef" in source else ("ConfigMap", "configMapKeyRef")
    )
    return _entry(kind, source[key]["name"], source[key]["key"], there).decode()


def expanded(text: str, env: Mapping[str, str]) -> str:
    """Return a text with $(NAME) replaced; what is unknown stays, and $$ is a dollar."""

    def one(found: re.Match[str]) -> str:
        name = found[1]
        return "$" if name == "$" else env.get(name[1:-1], found[0])

    return REFERENCE.sub(one, text)


def contents(kind: str, name: str, there: Mapping[tuple[str, str], Manifest]) -> dict[str, bytes]:
    """Return what a Secret or a ConfigMap holds."""
    try:
        found = there[kind, name]
    except KeyError:
        raise Unresolved(f'{kind.lower()} "{name}" not found') from None
    decoded = base64.b64decode if kind == "Secret" else str.encode
    plain = {key: value.encode() for key, value in found.get("stringData", {}).items()}
    return {key: decoded(value) for key, value in found.get("data", {}).items()} | plain


def _entry(kind: str, name: str, key: str, there: Mapping[tuple[str, str], Manifest]) -> bytes:
    try:
        return contents(kind, name, there)[key]
    except KeyError:
        raise Unresolved(f'{kind.lower()} "{name}" has no "{key}"') from None


def volumes_of(
    spec: Manifest, container: Manifest, there: Mapping[tuple[str, str], Manifest]
) -> tuple[Volume, ...]:
    """Return the folders that a container mounts, the outer ones first."""
    named = {one["name"]: one for one in spec.get("volumes", ())}
    mounts = sorted(container.get("volumeMounts", ()), key=lambda one: str(one["mountPath"]))
    return tuple(_volume(named[one["name"]], one, there) for one in mounts)


def _volume(told: Manifest, mount: Manifest, there: Mapping[tuple[str, str], Manifest]) -> Volume:
    path, is_read_only = mount["mountPath"], mount.get("readOnly", False)
    if "emptyDir" in told:
        return Volume(path, None, is_read_only)
    if claim := told.get("persistentVolumeClaim"):
        return Volume(path, None, is_read_only or claim.get("readOnly", False), claim["claimName"])
    kind, source, name = (
        ("Secret", told["secret"], told["secret"]["secretName"])
        if "secret" in told
        else ("ConfigMap", told["configMap"], told["configMap"]["name"])
    )
    mode = source.get("defaultMode", FILE_MODE)
    rows = source.get("items") or [{"key": key, "path": key} for key in contents(kind, name, there)]
    files = {
        row["path"]: (_entry(kind, name, row["key"], there), row.get("mode", mode)) for row in rows
    }
    return Volume(path, files, is_read_only=True)


def ports_of(container: Manifest) -> dict[str, int]:
    """Return the ports of a container by their names."""
    return {one["name"]: one["containerPort"] for one in container.get("ports", ())}


def _probes(container: Manifest, ports: Mapping[str, int]) -> dict[str, Probe]:
    return {
        kind: _probe(container[f"{kind}Probe"], ports)
        for kind in ("startup", "liveness", "readiness")
        if f"{kind}Probe" in container
    }


def _probe(told: Manifest, ports: Mapping[str, int]) -> Probe:
    asked = told.get("httpGet") or told["tcpSocket"]
    return Probe(
        path=asked.get("path", ""),
        port=ports.get(asked["port"], asked["port"]),
        period_s=told.get("periodSeconds", 10),
        timeout_s=told.get("timeoutSeconds", 1),
        delay_s=told.get("initialDelaySeconds", 0),
        failures=told.get("failureThreshold", 3),
        successes=told.get("successThreshold", 1),
    )


def _links(spec: Manifest, objects: list[Manifest]) -> dict[str, str]:
    """Return the variables that name the Services of the namespace, unless they are unwanted."""
    links = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    if not spec.get("enableServiceLinks", True):
        return links
    for one in objects:
        if one["kind"] == "Service":
            stem, port = one["metadata"]["name"].upper().replace("-", "_"), one["spec"]["ports"][0]
            links[f"{stem}_PORT"] = f"tcp://10.96.0.2:{port['port']}"
    return links
