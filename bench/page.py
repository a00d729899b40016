"""The page of results: each benchmark owns the section below its heading, and no other."""

import re
from pathlib import Path

RESULTS = Path(__file__).parent / "RESULTS.md"
TITLE = "# Results"
ORDER = ("engine", "target queue", "rebuild", "queues")


def with_section(page: str, name: str, text: str) -> str:
    """Return the page with a benchmark's section replaced or added; all others stay as they are.

    Args:
        page: The page as it is; "" for a new one.
        name: The heading of the section, without the hashes.
        text: What stands below the heading. It has no heading of the same level.
    """
    parts = re.split(r"^## (.+)\n", page, flags=re.MULTILINE)
    head = parts[0].strip() or TITLE
    sections = dict(zip(parts[1::2], parts[2::2], strict=True)) | {name: text}
    names = [known for known in ORDER if known in sections]
    names += [other for other in sections if other not in ORDER]
    return "\n\n".join([head, *(f"## {one}\n\n{sections[one].strip()}" for one in names)]) + "\n"


def write_section(name: str, text: str) -> None:
    """Put a benchmark's section onto the page."""
    page = RESULTS.read_text(encoding="utf-8") if RESULTS.is_file() else ""
    RESULTS.write_text(with_section(page, name, text), encoding="utf-8")
