"""Write the schemas of the custom resources that the chart renders. `make crds` runs it.

KEDA's and the Prometheus operator's come from their Go modules, Strimzi's from its own generator on
Maven Central, which wants Java 21 or newer: set JAVA to one if `java` is older. Kept is what a test
needs: the schema of one version of each kind, without descriptions and without its status.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

FOLDER = Path(__file__).parent
KEDA = ("github.com/kedacore/keda/v2", "v2.21.0")
OPERATOR = ("github.com/prometheus-operator/prometheus-operator", "v0.85.0")
STRIMZI = "1.2.0"
FROM_MODULES = (
    (KEDA, "config/crd/bases/keda.sh_scaledobjects.yaml"),
    (KEDA, "config/crd/bases/keda.sh_triggerauthentications.yaml"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
    (OPERATOR, "example/prometheus-operator-crd/monitoring.coreos.com_servicemonitors.yaml"),
)
FROM_STRIMZI = ("topic.KafkaTopic", "user.KafkaUser")
SCALERS = ("kafka", "prometheus")
PARAMETER = re.compile(r'`keda:"name=(\w+),\s*order=([\w;]+)')
AUTH = "authParams"


def main() -> None:
    """Fetch everything and write a file for each kind, and one for KEDA's triggers."""
    for module, place in FROM_MODULES:
        _write(yaml.safe_load((_module(module) / place).read_text("utf-8")), "@".join(module))
    with tempfile.TemporaryDirectory() as folder:
        for path in _strimzi(Path(folder)):
            _write(yaml.safe_load(path.read_text("utf-8")), f"io.strimzi:api:{STRIMZI}")
    triggers = {name: _parameters(_module(KEDA), name) for name in SCALERS}
    _dump("keda-triggers.yaml", triggers, "@".join(KEDA))


def _module(module: tuple[str, str]) -> Path:
    asked = ["go", "mod", "download", "-json", "@".join(module)]
    told = subprocess.run(asked, capture_output=True, text=True, check=True, cwd="/").stdout
    return Path(json.loads(told)["Dir"])


def _strimzi(folder: Path) -> Iterator[Path]:
    wanted = {kind: folder / f"{kind}.yaml" for kind in FROM_STRIMZI}
    maven = ["mvn", "--quiet", "--batch-mode", "--file", str(FOLDER / "pom.xml")]
    copy = ["dependency:copy-dependencies", f"-DoutputDirectory={folder}"]
    subprocess.run([*maven, *copy], check=True)
    java = [os.environ.get("JAVA", "java"), "-cp", f"{folder}/*"]
    asked = ["io.strimzi.crdgenerator.CrdGenerator", "--yaml", "--api-versions", "v1"]
    kinds = [f"io.strimzi.api.kafka.model.{kind}={path}" for kind, path in wanted.items()]
    subprocess.run([*java, *asked, "--storage-version", "v1", *kinds], check=True)
    yield from wanted.values()


def _parameters(module: Path, scaler: str) -> dict[str, list[str]]:
    """Return what a trigger may say in its metadata, and in its authentication."""
    source = (module / "pkg" / "scalers" / f"{scaler}_scaler.go").read_text("utf-8")
    found = PARAMETER.findall(source)
    return {
        "metadata": sorted(name for name, order in found if order != AUTH),
        "authentication": sorted(name for name, order in found if AUTH in order),
    }


def _write(crd: dict[str, Any], origin: str) -> None:
    spec = crd["spec"]
    (version,) = (one for one in spec["versions"] if one["storage"])
    schema = _trimmed(version["schema"]["openAPIV3Schema"])
    schema["properties"].pop("status", None)
    kept = {
        "apiVersion": f"{spec['group']}/{version['name']}",
        "kind": spec["names"]["kind"],
        "schema": schema,
    }
    _dump(f"{spec['group']}_{spec['names']['singular']}.yaml", kept, origin)


def _trimmed(schema: Any) -> Any:
    """Return a schema without texts and without what only the API server understands."""
    if isinstance(schema, list):
        return [_trimmed(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: _trimmed(value)
        for key, value in schema.items()
        if not (key == "description" and isinstance(value, str))
        and key not in {"x-kubernetes-validations", "x-kubernetes-list-type"}
    }


def _dump(name: str, told: Any, origin: str) -> None:
    head = f"# Of {origin} (Apache-2.0), trimmed by `make crds`.\n"
    text = head + yaml.safe_dump(told, sort_keys=True, width=100)
    (FOLDER / name).write_text(text, encoding="utf-8")
    sys.stdout.write(f"{name}\n")


if __name__ == "__main__":
    main()
