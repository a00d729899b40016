"""Write what is made from the chart, and what the chart is made from. `make manifests` runs it.

The chart's own files come first (deploy.helm.facts), then what Helm renders for each file of
values, to compare with, and the Kustomize base.
"""

import re
import subprocess
import sys
from pathlib import Path

import yaml

from deploy.helm import facts

CHART = facts.ROOT / "deploy" / "helm" / "campaign-engine"
GOLDEN = facts.ROOT / "tests" / "deploy" / "golden"
BASE = facts.ROOT / "deploy" / "kustomize" / "base"
HELM = Path(sys.executable).with_name("helm")
VALUES = ("values", "values-laptop", "values-production", "values-high-availability")
RELEASE = NAMESPACE = "campaign-engine"
SOURCE = re.compile(r"^# Source: campaign-engine/templates/([\w-]+)\.yaml$", re.MULTILINE)
OF_HELM = re.compile(
    r"^ *(helm\.sh/|app\.kubernetes\.io/managed-by|checksum/config).*\n"
    r"|^ *annotations:\n(?= *checksum/)",
    re.MULTILINE,
)
"""Lines that mean something to Helm alone."""


class Refused(Exception):
    """Helm refuses the values; the text is what it says."""


def helm(*words: str) -> str:
    """Run Helm and return what it writes.

    Raises:
        Refused: It did not end well.
    """
    done = subprocess.run([HELM, *words], capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise Refused(done.stdout + done.stderr)
    return done.stdout


def render(values: str = "values", *more: str, chart: Path = CHART) -> str:
    """Return the manifests for a file of values, and more words for Helm."""
    given = ("--values", str(chart / f"{values}.yaml"), "--namespace", NAMESPACE)
    return tidy(helm("template", RELEASE, str(chart), *given, *more))


def tidy(text: str) -> str:
    """Return a text without empty lines and what stands at the ends of others."""
    return "".join(f"{line.rstrip()}\n" for line in text.splitlines() if line.strip())


def golden() -> dict[Path, str]:
    """Return what is rendered for each file of values, by file."""
    return {GOLDEN / f"{name}.yaml": render(name) for name in VALUES}


def base() -> dict[Path, str]:
    """Return the Kustomize base: the objects of the default values, in a file a template."""
    parts: dict[str, list[str]] = {}
    for document in OF_HELM.sub("", render()).split("---\n"):
        if found := SOURCE.search(document):
            parts.setdefault(found[1], []).append(SOURCE.sub("", document).lstrip("\n"))
    told = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [f"{name}.yaml" for name in sorted(parts)],
    }
    return {
        BASE / "kustomization.yaml": facts.GENERATED + yaml.safe_dump(told, sort_keys=False),
        **{
            BASE / f"{name}.yaml": facts.GENERATED + "---\n".join(documents)
            for name, documents in parts.items()
        },
    }


def _write(files: dict[Path, str]) -> None:
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    for folder in {path.parent for path in files}:
        for stale in {one for one in folder.glob("*") if one.is_file()} - files.keys():
            stale.unlink()


def main() -> None:
    """Write everything."""
    for files in (facts.files, golden, base):
        _write(files())
    sys.stdout.write("written\n")


if __name__ == "__main__":
    main()
