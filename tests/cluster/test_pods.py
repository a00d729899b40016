"""What is made of a pod's template: told by small templates, and by those of the chart."""

import base64
from typing import Any

import pytest

from tests.cluster.images import Image, image_of
from tests.cluster.pods import Manifest, Pod, Unresolved, expanded, pod_of
from tests.deploy import dockerfile
from tests.deploy.rendering import objects

SECRET = {
    "kind": "Secret",
    "metadata": {"name": "s"},
    "data": {"password": base64.b64encode(b"open").decode()},
}
CONFIG = {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": {"A": "1", "B": "2"}}
IMAGE = Image(entrypoint=("program",), env={"HOME": "/tmp", "A": "image"}, user=7)


def a_pod(pod: Manifest | None = None, **container: Any) -> Pod:
    spec = {"containers": [container], **(pod or {})}
    template = {"metadata": {"labels": {}}, "spec": spec}
    return pod_of(template, "p-1", "10.0.0.9", [SECRET, CONFIG], IMAGE)


def test_variables_come_from_the_image_then_from_maps_then_one_by_one() -> None:
    pod = a_pod(
        envFrom=[{"configMapRef": {"name": "c"}}],
        env=[
            {"name": "B", "value": "own"},
            {"name": "NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):$(PORT)/$$(IP)"},
            {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "password"}}},
        ],
    )
    own = {key: pod.env[key] for key in ("HOME", "A", "B", "NAME", "IP", "URL", "P")}
    assert own == {
        "HOME": "/tmp",
        "A": "1",
        "B": "own",
        "NAME": "p-1",
        "IP": "10.0.0.9",
        "URL": "http://10.0.0.9:$(PORT)/$(IP)",
        "P": "open",
    }


@pytest.mark.parametrize(
    ("name", "key", "says"),
    [("other", "password", 'secret "other" not found'), ("s", "user", 'secret "s" has no "user"')],
)
def test_a_secret_that_is_missing_is_named(name: str, key: str, says: str) -> None:
    row = {"name": "P", "valueFrom": {"secretKeyRef": {"name": name, "key": key}}}
    with pytest.raises(Unresolved, match=says):
        a_pod(env=[row])


def test_the_command_is_the_images_and_arguments_know_the_variables() -> None:
    env = [{"name": "N", "value": "5"}]
    assert a_pod(args=["--n=$(N)"], env=env).command == ("program", "--n=5")
    assert a_pod(command=["other"], args=["x"]).command == ("other", "x")


def test_files_of_a_secret_have_the_modes_that_they_are_given() -> None:
    source = {"secretName": "s", "defaultMode": 0o440, "items": [{"key": "password", "path": "pw"}]}
    pod = a_pod(
        {"volumes": [{"name": "v", "secret": source}, {"name": "t", "emptyDir": {}}]},
        volumeMounts=[{"name": "v", "mountPath": "/v"}, {"name": "t", "mountPath": "/t"}],
    )
    told = {one.path: (one.files, one.is_read_only) for one in pod.volumes}
    assert told == {"/v": ({"pw": (b"open", 0o440)}, True), "/t": (None, False)}


def test_an_image_of_root_is_not_started_where_that_is_forbidden() -> None:
    with pytest.raises(Unresolved, match="runs as root"):
        a_pod({"securityContext": {"runAsNonRoot": True, "runAsUser": 0}})


def test_services_are_named_unless_nobody_wants_that() -> None:
    service = {"kind": "Service", "metadata": {"name": "d-r"}, "spec": {"ports": [{"port": 1}]}}
    for wanted in (True, False):
        spec: Manifest = {"containers": [{}], "enableServiceLinks": wanted}
        template = {"metadata": {"labels": {}}, "spec": spec}
        assert ("D_R_PORT" in pod_of(template, "p", "", [service], IMAGE).env) is wanted


@pytest.mark.parametrize("text", ["$", "$x", "$()", "$(", "100 %"])
def test_what_is_no_reference_stays(text: str) -> None:
    assert expanded(text, {}) == text


@pytest.mark.parametrize("name", ["campaign-manager", "dialer", "flow-runner"])
def test_a_pod_of_the_chart_is_nobody_with_a_program_of_its_image(name: str) -> None:
    there = objects("values-laptop")
    (deployment,) = (
        one
        for one in there
        if one["kind"] == "Deployment" and one["metadata"]["name"].endswith(name)
    )
    password = base64.b64encode(b"x").decode()
    secret = {
        "kind": "Secret",
        "metadata": {"name": "campaign-engine"},
        "data": {"ari-password": password, "bootstrap-password": password},
    }
    image = image_of(dockerfile.read(), name)
    pod = pod_of(deployment["spec"]["template"], "p", "10.0.0.9", [*there, secret], image)
    assert pod.command == ("python", "-m", name.replace("-", "_"))
    assert (pod.user, pod.group, pod.fs_group) == (10001, 10001, 10001)
    assert (pod.is_root_read_only, pod.may_gain_privileges) == (True, False)
    assert pod.env[f"{name.upper().replace('-', '_')}_WORKER_ID"] == "p"
    assert set(pod.probes) == {"startup", "liveness", "readiness"}
    assert pod.grace_s > pod.pre_stop_s
