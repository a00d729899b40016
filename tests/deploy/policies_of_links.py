"""Policies of what belongs together: selectors, mounts, names, networks."""

from tests.deploy.manifests import PODS_OF, Manifest, containers, matches, named, of_kind, pods


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
