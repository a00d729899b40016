"""`campaignctl replay`: recorded messages through the same code, to the same decisions."""

import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer
from chassis.logs import mask_text
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options, sources
from campaignctl.errors import CannotGoOn
from campaignctl.history import Range
from campaignctl.replaying import TOPICS, Decision, Replay, differences, plain
from campaignctl.replaying.revisions import replayed_by
from campaignctl.replaying.states import TOPICS as STATE_TOPICS
from campaignctl.replaying.states import AsOf
from campaignctl.screen import CANNOT_SAY, DIFFERS, SAME, a_console, or_cannot_say, print_json

PUBLISHED_WITHIN = timedelta(seconds=30)
"""How much later than decided a message may be published and still be found by `--until`."""
SHOWN_AT_MOST = 20
LONGEST_VALUE = 120
LONGEST_STATE = 300
TELLING = (
    "type", "status", "run_number", "outcome", "due_at", "address", "attempt_count",
    "attempt_number", "worker", "answered_at", "hangup_cause", "digit", "how", "action_type",
    "position", "executed_count", "waiting", "is_over", "destinations", "max_attempts",
)  # fmt: skip
"""Fields that tell most of a state while one walks from decision to decision."""

Campaign = Annotated[str | None, typer.Option(help="Only the decisions of this campaign.")]
Attempt = Annotated[str | None, typer.Option(help="Only those of this attempt (call).")]
All = Annotated[
    bool, typer.Option("--all", help="Go on after the first difference, and name them all.")
]
Step = Annotated[
    bool, typer.Option("--step", help="Walk from decision to decision, with the state before each.")
]
Code = Annotated[
    str | None,
    typer.Option(metavar="REV", help="Replay through the code of this git revision instead."),
]
Until = Annotated[
    str | None,
    typer.Option(help="Show the state as of this moment instead: 2026-11-23T14:03:07Z, 14:03:07."),
]


def replay(
    *,
    kafka_bootstrap: sources.Bootstrap = None,
    log: sources.LogFile = None,
    since: sources.Since = None,
    until: Until = None,
    campaign: Campaign = None,
    attempt: Attempt = None,
    all_: All = False,
    step: Step = False,
    code: Code = None,
    json_: options.Json = False,
) -> None:
    """Take every recorded decision again, by the services' own code, and stop where it differs.

    Campaigns, calls, targets, pacing and flows are decided anew from what the log says was known;
    nothing is dialed, published or written. The exit status is 0 when every decision is the same,
    1 when one differs, and 2 when nothing can be said.

    For example:

        campaignctl replay --log monday.log.gz

        campaignctl replay --kafka-bootstrap kafka:9092 --attempt 03a7e2c4-... --step

        campaignctl replay --log monday.log.gz --until 14:03:07 --campaign 183c0d5c-...

        campaignctl replay --log monday.log.gz --code my-branch
    """
    which = sources.source(kafka_bootstrap, log, since)
    with or_cannot_say():
        if until is not None:
            _show_state(which, until, campaign, is_json=json_)
            return
        which = sources.of_topics(which, *(topic.name for topic in TOPICS))
        if code is not None:
            told = replayed_by(code, which)
        else:
            told = _replayed(
                which, _wanted(campaign, attempt), is_whole=all_, is_walk=step, is_json=json_
            )
    if json_:
        print_json(told)
    else:
        show(a_console(), told)
    if told["differences"]:
        sys.exit(DIFFERS)
    sys.exit(SAME if told["decisions"] else CANNOT_SAY)


def _replayed(
    which: Range, wants: Callable[[Decision], bool], *, is_whole: bool, is_walk: bool, is_json: bool
) -> dict[str, Any]:
    """Take the decisions again; a walk through them shows each."""
    steps: list[Decision] = []
    replaying = Replay(wants=wants, on_decision=steps.append if is_walk else lambda _: None)
    with sources.reading(which) as read:
        for record in read():
            replaying.take(record)
            if replaying.differing and not is_whole:
                break
    replaying.finish(is_cut=which.file is None or bool(replaying.differing))
    walk = _walk(is_json=is_json)
    for decision in sorted(steps, key=lambda one: one.at):
        walk(decision)
    return as_json(replaying, is_whole=is_whole)


def _wanted(campaign: str | None, attempt: str | None) -> Callable[[Decision], bool]:
    def wants(decision: Decision) -> bool:
        body: Any = decision.message.body
        of = getattr(body, "campaign_id", None) or getattr(
            getattr(body, "attempt", None) or getattr(body, "campaign", None), "campaign_id", None
        )
        is_of_campaign = campaign is None or of is None or of == campaign
        return is_of_campaign and (attempt is None or decision.message.correlation_id == attempt)

    return wants


def as_json(replaying: Replay, *, is_whole: bool) -> dict[str, Any]:
    """Return what a replay has found, for programs."""
    first = replaying.first
    shown = replaying.differing if is_whole else [first] if first else []
    return {
        "messages": replaying.messages,
        "decisions": {asked.value: count for asked, count in replaying.decisions.items()},
        "unknown": [
            {"why": gap.value, "count": count, "examples": examples}
            for gap, (count, examples) in replaying.gaps.items()
        ],
        "differences": [
            one.as_json()
            | {"differs_in": [row[0] for row in differences(plain(one.logged), plain(one.decided))]}
            for one in sorted(shown, key=lambda one: one.at)
        ],
    }


def show(console: Console, told: dict[str, Any]) -> None:
    """Print what a replay has found."""
    for one in told["differences"][:SHOWN_AT_MOST]:
        console.print(
            f"[bold red]differs[/]: {escape(one['decision'])}, {one['at']}\n"
            f"  message {escape(one['message'])} ({one['type']})"
        )
        table = Table("where", "the log has", "the code decides", box=None, header_style="dim")
        for place, logged, decided in differences(one["logged"], one["decided"]):
            table.add_row(place or "all", _short(logged), _short(decided))
        console.print(table)
        console.print(f"  [dim]before: {_brief(one['before'])}[/]")
    if (more := len(told["differences"]) - SHOWN_AT_MOST) > 0:
        console.print(f"[red]and {more} more[/] (--json has them all)")
    for row in told["unknown"]:
        named = ", ".join(map(str, row["examples"]))
        console.print(f"[yellow]cannot be known[/]: {row['count']} x {row['why']} ({named})")
    total = sum(told["decisions"].values())
    if not total:
        console.print("[yellow]the log holds no decision that was looked for[/]")
    elif not told["differences"]:
        each = ", ".join(f"{count} x {asked}" for asked, count in told["decisions"].items())
        console.print(
            f"[bold green]the same[/]: {total} decisions of {told['messages']} messages ({each})"
        )


def _short(value: Any, most: int = LONGEST_VALUE) -> str:
    text = mask_text(str(value))
    return escape(text if len(text) <= most else f"{text[: most - 3]}...")


def _brief(value: Any) -> str:
    """Return what tells most of a state; the whole of it is in `--json`."""
    if not isinstance(value, dict):
        return _short(value, LONGEST_STATE)
    flat = {**value.get("attempt", {}), **value}
    rows = [f"{name} {flat[name]}" for name in TELLING if flat.get(name) not in (None, "", [])]
    return _short(", ".join(rows) or value, LONGEST_STATE)


def _walk(*, is_json: bool) -> Callable[[Decision], None]:
    """Return what shows a decision; on a terminal it waits for the enter key after each."""
    console = a_console()

    def show_one(decision: Decision) -> None:
        if is_json:
            print_json(decision.as_json() | {"differs": decision.differs})
            return
        mark = "[bold red]differs[/]" if decision.differs else "[green]the same[/]"
        console.print(f"{decision.at:%H:%M:%S.%f} [bold]{decision.message.type}[/] {mark}")
        console.print(f"  {decision.asked.value}: {_brief(plain(decision.decided))}")
        console.print(f"  [dim]before: {_brief(plain(decision.before))}[/]")
        if console.is_terminal and sys.stdin.isatty():
            console.input("[dim]enter: the next one, ctrl-C: end[/] ")

    return show_one


# ---- the state as of a moment


def _show_state(which: Range, until: str, campaign: str | None, *, is_json: bool) -> None:
    moment = sources.at(until, "--until")
    if moment is None:
        raise typer.BadParameter("names no moment", param_hint="--until")
    state = AsOf(moment)
    known = sources.of_topics(which, *(topic.name for topic in STATE_TOPICS))
    with sources.reading(replace(known, until=moment + PUBLISHED_WITHIN)) as read:
        for record in read():
            state.take(record)
    there = [one for one in state.campaigns if campaign in (None, one.campaign_id)]
    if not there:
        raise CannotGoOn(f"the log tells of no such campaign by {moment.isoformat()}")
    rows: list[dict[str, Any]] = [
        {"campaign": state.campaign(one.campaign_id), **state.counts(one)} for one in there
    ]
    if campaign is not None:
        rows[0]["targets_then"] = state.targets(there[0].outdial_id)
        rows[0]["campaigncalls_then"] = state.calls(campaign)
    if is_json:
        print_json({"at": moment.isoformat(), "campaigns": rows})
    else:
        _print_state(a_console(), moment, rows)


def _print_state(console: Console, moment: datetime, rows: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="dim")
    table.add_column("campaign", no_wrap=True)
    for name in ("name", "status", "targets", "campaigncalls"):
        table.add_column(name)
    for row in rows:
        shown = row["campaign"]
        table.add_row(
            shown["id"], escape(shown["name"]), shown["status"],
            _counts(row["targets"]), _counts(row["campaigncalls"]),
        )  # fmt: skip
    console.print(f"as of {moment.isoformat()}")
    console.print(table)
    for target in rows[0].get("targets_then", [])[:SHOWN_AT_MOST]:
        tries = [target[f"try_count_{slot}"] for slot in range(5)]
        console.print(f"  target {target['id']} {target['status']}, tries {tries}")


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{many} {word}" for word, many in sorted(counts.items())) or "none"
