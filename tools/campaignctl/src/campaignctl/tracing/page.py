"""A story as one page of HTML that needs nothing beside: no script, no font, no network."""

from html import escape
from typing import Any

STYLE = """
:root { color-scheme: light dark; --line: #8884; --bar: #2a7ab8; --dim: #888; }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; }
h1 { font-size: 1.3rem; } h2 { font-size: 1.05rem; margin-top: 2rem; }
ul { list-style: none; margin: 0; padding-left: 1.2rem; border-left: 1px solid var(--line); }
li { margin: .15rem 0; } code { font-size: .85em; color: var(--dim); }
time, .dim { color: var(--dim); font-variant-numeric: tabular-nums; }
table { border-collapse: collapse; width: 100%; } td { padding: .15rem .5rem; }
td.line { width: 55%; } .rail { position: relative; height: .9rem; background: var(--line); }
.bar { position: absolute; height: 100%; min-width: 2px; background: var(--bar); }
.doubt { border-left: 4px solid #c80; padding-left: .6rem; }
"""


def page(told: dict[str, Any]) -> str:
    """Return the page of a story, given as `trace --json` prints it."""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(told['about'])}</title><style>{STYLE}</style></head><body>"
        f"<h1>{escape(told['about'])}</h1>"
        f"<p>It began at <time>{escape(told['began_at'])}</time>. "
        "What is marked with ~ follows from what the messages say.</p>"
        f"{_notes(told)}<h2>When</h2>{_line(told)}<h2>Why</h2>{_tree(told)}</body></html>"
    )


def _notes(told: dict[str, Any]) -> str:
    notes = [*told["silences"], *told["doubts"]]
    return "".join(f'<p class="doubt">{escape(note)}</p>' for note in notes)


def _line(told: dict[str, Any]) -> str:
    total = max((row["after_ms"] for row in told["messages"]), default=0) or 1
    rows = []
    for row in told["phases"]:
        lasted = row["lasted_ms"]
        begin = 100 * row["after_ms"] / total
        width = 100 - begin if lasted is None else 100 * lasted / total
        shown = "no end known" if lasted is None else f"{lasted / 1000:.3f} s"
        rows.append(
            f"<tr><td>{escape(row['phase'])}</td><td class='dim'>{shown}</td><td class='line'>"
            f"<div class='rail' title='from {row['after_ms'] / 1000:.3f} s'><div class='bar' "
            f"style='left:{begin:.2f}%;width:{width:.2f}%'></div></div></td></tr>"
        )
    return f"<table>{''.join(rows)}</table>"


def _tree(told: dict[str, Any]) -> str:
    below: dict[str | None, list[dict[str, Any]]] = {}
    for row in told["messages"]:
        below.setdefault(row["led_by"], []).append(row)

    def branch(parent: str | None) -> str:
        rows = below.pop(parent, [])
        if not rows:
            return ""
        items = "".join(f"<li>{_message(row)}{branch(row['id'])}</li>" for row in rows)
        return f"<ul>{items}</ul>"

    return branch(None)


def _message(row: dict[str, Any]) -> str:
    mark = "~ " if row["is_inferred"] else ""
    return (
        f"{mark}<time>{row['after_ms'] / 1000:+.3f} s</time> <b>{escape(row['type'])}</b> "
        f"{escape(row['says'])} <code title='{escape(row['at'])}'>{escape(row['id'])}</code>"
    )
