"""Policies of each pod by itself: Pod Security `restricted`, images, resources, probes, secrets."""

import re

from tests.deploy.manifests import PROGRAMS, Manifest, containers, named, of_kind, pods

VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
"""Kinds of volumes that Pod Security `restricted` allows."""
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|PRIVATE_KEY|API_KEY)$", re.IGNORECASE)
LOGIN_IN_URL = re.compile(r"://[^/\s]*:[^/\s]*@")


def pod_security_is_restricted(objects: list[Manifest]) -> list[str]:
    wrong = []
    for owner, spec, _ in pods(objects):
        shared = [name for name in ("hostNetwork", "hostPID", "hostIPC") if spec.get(name)]
        wrong += [f"{owner}: {name}" for name in shared]
        for volume in spec.get("volumes", ()):
            wrong += [f"{owner}: volume {kind}" for kind in volume.keys() - VOLUMES - {"name"}]
        context = spec.get("securityContext", {})
        wrong += [f"{owner}: {name}" for name in ("sysctls", "windowsOptions") if name in context]
    for owner, one, spec in containers(objects):
        wrong += [f"{owner}: {says}" for says in _unrestricted(one, spec)]
    return wrong


def _unrestricted(container: Manifest, pod: Manifest) -> list[str]:
    """Return what a container's security context lacks, its pod's counted in."""
    own = container.get("securityContext", {})
    context = pod.get("securityContext", {}) | own
    capabilities = own.get("capabilities", {})
    profile = context.get("seccompProfile", {}).get("type")
    ports = container.get("ports", ())
    breaches = {
        "is privileged": own.get("privileged"),
        "may gain privileges": own.get("allowPrivilegeEscalation") is not False,
        "keeps capabilities": capabilities.get("drop") != ["ALL"],
        "adds capabilities": set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"},
        "may be root": context.get("runAsNonRoot") is not True or context.get("runAsUser") == 0,
        "has no seccomp profile": profile not in {"RuntimeDefault", "Localhost"},
        "has an unusual procMount": own.get("procMount", "Default") != "Default",
        "has an SELinux context": "seLinuxOptions" in context,
        "takes a port of the host": any(port.get("hostPort") for port in ports),
    }
    return [says for says, is_so in breaches.items() if is_so]


def root_is_read_only(objects: list[Manifest]) -> list[str]:
    return [
        f"{owner}: writes to its image"
        for owner, one, _ in containers(objects)
        if one.get("securityContext", {}).get("readOnlyRootFilesystem") is not True
    ]


def nobody_has_a_token(objects: list[Manifest]) -> list[str]:
    accounts = {one["metadata"]["name"]: one for one in of_kind(objects, "ServiceAccount")}
    wrong = [
        f"{named(one)}: its token is mounted"
        for one in accounts.values()
        if one.get("automountServiceAccountToken") is not False
    ]
    for owner, spec, _ in pods(objects):
        if spec.get("serviceAccountName") not in accounts:
            wrong.append(f"{owner}: has no account of its own")
        if spec.get("automountServiceAccountToken") is not False:
            wrong.append(f"{owner}: a token is mounted")
    return wrong


# ---- images, resources, probes, secrets


def images_are_pinned(objects: list[Manifest]) -> list[str]:
    wrong = []
    for owner, one, _ in containers(objects):
        place, _, digest = one["image"].partition("@")
        _, _, tag = place.rpartition("/")[2].partition(":")
        if not digest and tag in {"", "latest"}:
            wrong.append(f"{owner}: {one['image']} is another image each day")
    return wrong


def resources_are_set(objects: list[Manifest]) -> list[str]:
    return [
        f"{owner}: no {what} of {amount}"
        for owner, one, _ in containers(objects)
        for what in ("requests", "limits")
        for amount in ("cpu", "memory")
        if amount not in one.get("resources", {}).get(what, {})
    ]


def probes_are_set(objects: list[Manifest]) -> list[str]:
    wrong = []
    for owner, one, _ in containers(objects):
        if one.get("ports"):
            missing = {"livenessProbe", "readinessProbe"} - one.keys()
            wrong += [f"{owner}: no {probe}" for probe in sorted(missing)]
        if one["name"] in PROGRAMS:
            paths = [
                one.get(probe, {}).get("httpGet", {}).get("path")
                for probe in ("livenessProbe", "readinessProbe")
            ]
            if paths != ["/livez", "/readyz"]:
                wrong.append(f"{owner}: asks {paths} and not /livez and /readyz")
    return wrong


def no_secret_is_in_clear(objects: list[Manifest]) -> list[str]:
    wrong = [f"{named(one)}: has what it hides in it" for one in of_kind(objects, "Secret")]
    for config in of_kind(objects, "ConfigMap"):
        for key, value in config.get("data", {}).items():
            if SECRET.search(key) or LOGIN_IN_URL.search(value):
                wrong.append(f"{named(config)}: {key} is in clear")
    for owner, one, _ in containers(objects):
        for variable in one.get("env", ()):
            value = variable.get("value", "")
            if (value and SECRET.search(variable["name"])) or LOGIN_IN_URL.search(value):
                wrong.append(f"{owner}: {variable['name']} is in clear")
    return wrong


def services_do_not_inherit_links(objects: list[Manifest]) -> list[str]:
    """Kubernetes' DIALER_PORT=tcp://... is a setting that a dialer refuses."""
    return [
        f"{owner}: has variables of its neighbours"
        for owner, spec, _ in pods(objects)
        if spec.get("enableServiceLinks") is not False
    ]
