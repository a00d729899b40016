"""JSON Schemas and the documents of the catalogue: generated from the contracts, and committed.

`python -m contracts.schemas` writes them below the current folder (the root of the repository);
with `--check` it only says which of them are out of date.
"""

import json
import sys
from pathlib import Path
from typing import Any

from contracts.base import Message
from contracts.catalogue import asyncapi, topics_table
from contracts.envelope import Envelope
from contracts.topics import CATALOGUE, every_message

DIALECT = "https://json-schema.org/draft/2020-12/schema"
SCHEMAS = "libs/contracts/schemas"


def schema_of(message: type[Message]) -> dict[str, Any]:
    """Return the JSON Schema of a message in its envelope, as a consumer may rely on it."""
    envelope: Any = Envelope.__class_getitem__(message)
    type_ = message.model_fields["type"].default
    schema: dict[str, Any] = envelope.model_json_schema(by_alias=True)
    schema["properties"]["type"]["const"] = type_
    schema["title"] = type_
    schema["description"] = (message.__doc__ or type_).strip()
    return {"$schema": DIALECT, "$id": f"{type_}.json", **schema}


def generated() -> dict[str, str]:
    """Return the text of every generated file by its path from the root of the repository."""
    files = {
        f"{SCHEMAS}/{message.model_fields['type'].default}.json": _text(schema_of(message))
        for _, message in every_message()
    }
    files["docs/asyncapi.json"] = _text(asyncapi(CATALOGUE))
    files["docs/topics.md"] = topics_table(CATALOGUE)
    return files


def out_of_date(root: Path) -> list[str]:
    """Return the paths of generated files that are missing, different, or no longer wanted."""
    files = generated()
    stale = [
        path
        for path, text in files.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    present = {f"{SCHEMAS}/{path.name}" for path in (root / SCHEMAS).glob("*.json")}
    return sorted(stale) + sorted(present - files.keys())


def write(root: Path) -> list[str]:
    """Bring the generated files up to date and return the paths of those that changed."""
    files, stale = generated(), out_of_date(root)
    for path in stale:
        if path in files:
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(files[path], encoding="utf-8")
        else:
            (root / path).unlink()
    return stale


def _text(document: dict[str, Any]) -> str:
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """Run the command; return its exit code."""
    is_check = arguments == ["--check"]
    if arguments and not is_check:
        sys.stderr.write("usage: python -m contracts.schemas [--check]\n")
        return 2
    changed = out_of_date(Path.cwd()) if is_check else write(Path.cwd())
    for path in changed:
        sys.stdout.write(f"{'out of date' if is_check else 'written'}: {path}\n")
    return 1 if is_check and changed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
