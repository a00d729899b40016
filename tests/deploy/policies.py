"""What every manifest has to keep to.

A policy takes the objects of one rendering and returns sentences; none is a pass. `POLICIES` has
them all.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import yaml

from deploy.helm import facts

Manifest = dict[str, Any]
Policy = Callable[[list[Manifest]], list[str]]

PODS_OF = {"Deployment", "StatefulSet", "Job"}
PROGRAMS = ("campaign-manager", "dialer", "flow-runner")
VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim",
    "projected", "secret",
}  # fmt: skip
"""Kinds of volumes that Pod Security `restricted` allows."""
SECRET = re.compile(r"(PASSWORD|SECRET|TOKEN|PRIVATE_KEY|API_KEY)$", re.IGNORECASE)
LOGIN_IN_URL = re.compile(r"://[^/\s]*:[^/\s]*@")
NAME = "app.kubernetes.io/name"


def named(one: Manifest) -> str:
    return f"{one['kind']} {one['metadata']['name']}"


def of_kind(objects: list[Manifest], *kinds: str) -> list[Manifest]:
    return [one for one in objects if one["kind"] in kinds]


def program_of(one: Manifest) -> str:
    return str(one["metadata"].get("labels", {}).get(NAME, ""))


def pods(objects: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each pod as (whose it is, its spec, its labels)."""
    for one in of_kind(objects, *PODS_OF):
        template = one["spec"]["template"]
        yield named(one), template["spec"], template["metadata"]["labels"]


def containers(objects: list[Manifest]) -> Iterator[tuple[str, Manifest, Manifest]]:
    """Each container as (whose it is, itself, the spec of its pod)."""
    for owner, spec, _ in pods(objects):
        for kind in ("containers", "initContainers", "ephemeralContainers"):
            for one in spec.get(kind, ()):
                yield f"{owner}, {one['name']}", one, spec


def services(objects: list[Manifest]) -> list[Manifest]:
    """The deployments of the three services."""
    return [one for one in of_kind(objects, "Deployment") if program_of(one) in PROGRAMS]


def matches(selector: Manifest, labels: Manifest) -> bool:
    plain = selector.get("matchLabels", {}).items() <= labels.items()
    return plain and all(
        rule["operator"] == "In" and labels.get(rule["key"]) in rule["values"]
        for rule in selector.get("matchExpressions", ())
    )


# ---- Pod Security `restricted`


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


# ---- how pods end, where they are, how many


@cache
def known_services() -> dict[str, Any]:
    """What the chart knows of the services."""
    told: dict[str, Any] = yaml.safe_load((facts.FILES / "services.yaml").read_text("utf-8"))
    return told


def pods_may_end_in_peace(objects: list[Manifest]) -> list[str]:
    """The grace period is longer than the pause before SIGTERM and the longest hand-over."""
    wrong, told = [], known_services()
    for one in services(objects):
        spec = one["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        pause = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        needed = pause + told[program_of(one)]["handOverSeconds"]
        if spec.get("terminationGracePeriodSeconds", 30) <= needed:
            wrong.append(f"{named(one)}: may need {needed} s to end")
        if program_of(one) != "dialer" and not pause:
            wrong.append(f"{named(one)}: is sent requests while it ends")
    return wrong


def evictions_go_one_by_one(objects: list[Manifest]) -> list[str]:
    budgets = of_kind(objects, "PodDisruptionBudget")
    wrong = []
    for one in services(objects):
        labels = one["spec"]["template"]["metadata"]["labels"]
        ours = [each for each in budgets if matches(each["spec"]["selector"], labels)]
        if len(ours) != 1 or ours[0]["spec"].get("maxUnavailable") != 1:
            wrong.append(f"{named(one)}: has not one budget of one pod")
    return wrong


def replicas_are_spread(objects: list[Manifest]) -> list[str]:
    wrong = []
    for one in services(objects):
        template = one["spec"]["template"]
        keys = {
            rule["topologyKey"]
            for rule in template["spec"].get("topologySpreadConstraints", ())
            if matches(rule["labelSelector"], template["metadata"]["labels"])
        }
        missing = {"topology.kubernetes.io/zone", "kubernetes.io/hostname"} - keys
        wrong += [f"{named(one)}: may be all in one {key}" for key in sorted(missing)]
    return wrong


def updates_take_nothing_away(objects: list[Manifest]) -> list[str]:
    wanted = {"maxSurge": 1, "maxUnavailable": 0}
    return [
        f"{named(one)}: has fewer pods during an update"
        for one in services(objects)
        if one["spec"].get("strategy", {}).get("rollingUpdate") != wanted
    ]


def one_decides_how_many(objects: list[Manifest]) -> list[str]:
    """What is scaled has no number of its own, and what is not has one."""
    scalers = of_kind(objects, "HorizontalPodAutoscaler", "ScaledObject")
    scaled = [one["spec"]["scaleTargetRef"]["name"] for one in scalers]
    present = {one["metadata"]["name"] for one in of_kind(objects, "Deployment")}
    wrong = [f"{name}: is scaled and is not there" for name in scaled if name not in present]
    for one in of_kind(objects, "Deployment"):
        if ("replicas" in one["spec"]) + scaled.count(one["metadata"]["name"]) != 1:
            wrong.append(f"{named(one)}: its number is decided twice or never")
    return wrong


# ---- what belongs together


def selectors_find_something(objects: list[Manifest]) -> list[str]:
    wrong = []
    for one in of_kind(objects, "Service"):
        found = [
            spec
            for _, spec, labels in pods(objects)
            if one["spec"]["selector"].items() <= labels.items()
        ]
        ports = {port["name"] for spec in found for part in spec["containers"]
                 for port in part.get("ports", ())}  # fmt: skip
        wanted = {port["targetPort"] for port in one["spec"]["ports"]}
        if len(found) != 1 or not wanted <= ports:
            wrong.append(f"{named(one)}: finds {len(found)} kinds of pods, and not {wanted}")
    for one in of_kind(objects, *PODS_OF - {"Job"}):
        others = [
            labels for _, _, labels in pods(objects) if matches(one["spec"]["selector"], labels)
        ]
        if len(others) != 1:
            wrong.append(f"{named(one)}: takes {len(others)} kinds of pods for its own")
    return wrong


def what_is_mounted_is_there(objects: list[Manifest]) -> list[str]:
    """ConfigMaps are of this rendering; every mount has its volume."""
    known = {one["metadata"]["name"] for one in of_kind(objects, "ConfigMap")}
    wrong = []
    for owner, one, spec in containers(objects):
        volumes = {volume["name"]: volume for volume in spec.get("volumes", ())}
        asked = {source["configMapRef"]["name"] for source in one.get("envFrom", ())}
        asked |= {each["configMap"]["name"] for each in volumes.values() if "configMap" in each}
        wrong += [f"{owner}: there is no ConfigMap {name}" for name in sorted(asked - known)]
        claims = _claims(objects, owner)
        mounted = {mount["name"] for mount in one.get("volumeMounts", ())}
        wrong += [
            f"{owner}: no volume {name}" for name in sorted(mounted - volumes.keys() - claims)
        ]
    return wrong


def _claims(objects: list[Manifest], owner: str) -> set[str]:
    return {
        claim["metadata"]["name"]
        for one in of_kind(objects, "StatefulSet")
        if owner.startswith(named(one))
        for claim in one["spec"].get("volumeClaimTemplates", ())
    }


def names_are_taken_once(objects: list[Manifest]) -> list[str]:
    names = [named(one) for one in objects]
    return sorted({f"{name}: is there twice" for name in names if names.count(name) > 1})


# ---- networks


def everything_is_denied_first(objects: list[Manifest]) -> list[str]:
    """Each pod is under a policy that allows nothing, both ways."""
    empty = [
        one["spec"]["podSelector"]
        for one in of_kind(objects, "NetworkPolicy")
        if set(one["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not one["spec"].get("ingress")
        and not one["spec"].get("egress")
    ]
    return [
        f"{owner}: is open"
        for owner, _, labels in pods(objects)
        if not any(matches(selector, labels) for selector in empty)
    ]


def what_goes_out_is_named(objects: list[Manifest]) -> list[str]:
    """Each rule of a network policy names ports, and each policy is of some pod."""
    wrong = []
    for one in of_kind(objects, "NetworkPolicy"):
        spec = one["spec"]
        rules = [*spec.get("egress", ()), *spec.get("ingress", ())]
        wrong += [f"{named(one)}: any port" for rule in rules if not rule.get("ports")]
        if not any(matches(spec["podSelector"], labels) for _, _, labels in pods(objects)):
            wrong.append(f"{named(one)}: is of no pod")
    return wrong


POLICIES: tuple[Policy, ...] = (
    pod_security_is_restricted,
    root_is_read_only,
    nobody_has_a_token,
    images_are_pinned,
    resources_are_set,
    probes_are_set,
    no_secret_is_in_clear,
    services_do_not_inherit_links,
    pods_may_end_in_peace,
    evictions_go_one_by_one,
    replicas_are_spread,
    updates_take_nothing_away,
    one_decides_how_many,
    selectors_find_something,
    what_is_mounted_is_there,
    names_are_taken_once,
    everything_is_denied_first,
    what_goes_out_is_named,
)
