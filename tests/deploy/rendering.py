"""What Helm renders, rendered once for all tests, and what it is held against."""

import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator
from kubernetes_validate.utils import all_versions
from referencing import Registry, Resource

from deploy.helm import make_manifests
from tests.deploy.manifests import Manifest

CRDS = Path(__file__).parent / "crds"
VALUES = make_manifests.VALUES
NEWEST = sorted(set(all_versions()), key=lambda version: [*map(int, version.split("."))])[-3:]
"""The three newest minor versions of Kubernetes whose schemas are here."""


@cache
def text(values: str) -> str:
    return make_manifests.render(values)


@cache
def objects(values: str) -> list[Manifest]:
    """The objects of a rendering; who changes them takes a copy."""
    return parsed(text(values))


def parsed(manifests: str) -> list[Manifest]:
    return [one for one in yaml.load_all(manifests, yaml.CSafeLoader) if one]


@cache
def base() -> list[Manifest]:
    """The objects of the Kustomize base, by its own list of files."""
    folder = make_manifests.BASE
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))["resources"]
    return [one for name in listed for one in parsed((folder / name).read_text("utf-8"))]


def flaws(one: Manifest, version: str) -> list[str]:
    """What the API server of a version would say about an object; unknown fields count."""
    where = f"{one['kind']} {one['metadata']['name']}"
    validator = custom(one["apiVersion"], one["kind"]) or native(
        version, one["apiVersion"], one["kind"]
    )
    return [f"{where}: {flaw.json_path}: {flaw.message}" for flaw in validator.iter_errors(one)]


@cache
def native(version: str, api: str, kind: str) -> Draft202012Validator:
    """The strict schema of one of Kubernetes' own kinds."""
    group, _, number = api.rpartition("/")
    name = "-".join(part for part in (kind.lower(), group.partition(".")[0], number) if part)
    schema = json.loads(_of(version).joinpath(f"{name}.json").read_text("utf-8"))
    return Draft202012Validator(schema, registry=_definitions(version))


@cache
def _definitions(version: str) -> Registry[Any]:
    told = json.loads(_of(version).joinpath("_definitions.json").read_text("utf-8"))
    return Resource.from_contents(told) @ Registry()


def _of(version: str) -> Any:
    return files("kubernetes_validate").joinpath(f"kubernetes-json-schema/v{version}-local-strict")


@cache
def custom(api: str, kind: str) -> Draft202012Validator | None:
    """The schema of a custom resource; None if it is none of those that are here."""
    for path in CRDS.glob("*_*.yaml"):
        told = yaml.safe_load(path.read_text("utf-8"))
        if (told["apiVersion"], told["kind"]) == (api, kind):
            schema = strict(told["schema"])
            schema["properties"] |= {"metadata": {"type": "object"}}
            return Draft202012Validator(schema)
    return None


def strict(schema: Any) -> Any:
    """Return a schema that refuses what the API server would drop without a word."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("x-kubernetes-int-or-string"):
        return {"type": ["integer", "string"]}
    told = {key: strict(value) for key, value in schema.items() if key != "nullable"}
    may_have_more = schema.get("x-kubernetes-preserve-unknown-fields") or "allOf" in schema
    if isinstance(schema.get("properties"), dict) and not may_have_more:
        told.setdefault("additionalProperties", False)
    return told
