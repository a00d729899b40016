"""`campaignctl demo`: a whole campaign, and proof of what it did."""

import secrets
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from campaignctl import options, tutorial
from campaignctl.account import Account, Engine
from campaignctl.client import Client
from campaignctl.errors import CannotGoOn
from campaignctl.mix import RUNS, Planned, planned_targets
from campaignctl.screen import a_console, announcing, print_json, showing
from campaignctl.stack import (
    CALL_RECORDS,
    PASSWORD,
    USERNAME,
    StackOptions,
    answered_calls,
    journal_lines,
    running_stack,
)
from campaignctl.summary import Evidence, Row, without_withdrawn
from campaignctl.verification import verify
from campaignctl.verification.reading import ledgers_of

LINE_EVERY_S = 2.0
SPEED = 10.0

Targets = Annotated[int, typer.Option(min=1, max=20_000, help="How many targets to dial.")]
GivenApi = Annotated[
    str | None,
    typer.Option("--api-url", help="Root of an engine that runs already; without it, one is made."),
]
GivenJournal = Annotated[
    Path | None,
    typer.Option(
        "--journal",
        dir_okay=False,
        help="The journal of that engine's network, to compare with; `campaignctl up` names it.",
    ),
]
GivenSeed = Annotated[
    int | None,
    typer.Option(help="Decides numbers and their order; by itself 1, or by chance with --api-url."),
]
TimeLimit = Annotated[float, typer.Option(min=1, help="Seconds that the campaign may take.")]


def demo(
    *,
    targets: Targets = 200,
    seed: GivenSeed = None,
    speed: options.Speed = SPEED,
    json_: options.Json = False,
    kafka: options.Kafka = "auto",
    redis: options.Redis = "auto",
    api_url: GivenApi = None,
    journal: GivenJournal = None,
    username: options.Username = USERNAME,
    password: options.Password = PASSWORD,
    accesskey: options.Accesskey = None,
    time_limit: TimeLimit = 300.0,
) -> None:
    """Dial targets of every behaviour and prove what came of it.

    Starts a whole engine, does what the campaign tutorial says over HTTP, shows the campaign live
    until it stops by itself, and compares every figure with the journal of the simulated network.
    Ends with 0 only if all targets are done, nothing differs and, on an engine of its own, every
    promise was kept by what network, log and API tell.

    For example:

        campaignctl demo --targets 500 --speed 20
    """
    console = a_console(to_stderr=json_)
    if api_url:
        chosen = secrets.randbelow(RUNS) if seed is None else seed
        ground = given_engine(api_url, journal, username, password, accesskey)
    else:
        chosen = 1 if seed is None else seed
        records = Path(tempfile.gettempdir()) / time.strftime("campaign-engine-demo-%Y%m%d-%H%M%S")
        ground = own_engine(
            console,
            StackOptions(records=records, speed=speed, seed=chosen, kafka=kafka, redis=redis),
        )
    with ground as engine:
        evidence = dial(console, engine, planned_targets(targets, seed=chosen), time_limit)
        verdicts = engine.verdicts(evidence.campaign_id) if engine.verdicts else None
    account = Account(evidence, engine, verdicts)
    if json_:
        print_json(account.as_json())
    else:
        account.show(console)
    if not account.is_proven:
        raise typer.Exit(1)


def dial(
    console: Console, engine: Engine, planned: Sequence[Planned], time_limit_s: float
) -> Evidence:
    """Follow the tutorial on an engine and return what all witnesses tell.

    Raises:
        CannotGoOn: The API is away or refuses something, or the campaign does not stop in time.
        ChildExited: A program of the engine ended.
    """
    offset = engine.journal.stat().st_size if engine.journal else 0
    with Client(engine.api_url) as client:
        client.identify(engine.username, engine.password, engine.accesskey)
        made = tutorial.make(client, planned)
        console.print(f"{len(planned)} targets added; campaign {made.campaign_id} starts.")
        with showing(console, line_every_s=LINE_EVERY_S) as show:
            started_at, ended_at = tutorial.run(
                client, made, within_s=time_limit_s, show=show, check=engine.check
            )
        targets, attempts = tutorial.outcome(client, made)
    rung = originations(engine, offset, planned)
    return Evidence(
        campaign_id=made.campaign_id,
        planned=planned,
        targets=targets,
        attempts=without_withdrawn(attempts, targets, rung),
        originations=rung,
        answered_calls=answered(engine, rung),
        started_at=started_at,
        ended_at=ended_at,
    )


def originations(
    engine: Engine, offset: int, planned: Sequence[Planned]
) -> list[dict[str, Any]] | None:
    """Return what the network was asked for; of an engine that others use too, our numbers only."""
    if engine.journal is None:
        return None
    lines = journal_lines(engine.journal, offset)
    if engine.is_own:
        return lines
    ours = {number for target in planned for number in target.numbers}
    return [line for line in lines if line["number"] in ours]


def answered(engine: Engine, rung: Sequence[Row] | None) -> frozenset[str] | None:
    """Return which of the originations were answered, by the network's call records."""
    if rung is None or engine.call_records is None:
        return None
    return answered_calls(engine.call_records) & {line["channel_id"] for line in rung}


@contextmanager
def own_engine(console: Console, stack_options: StackOptions) -> Iterator[Engine]:
    """Have an engine for the demo alone."""
    with ExitStack() as at_end:
        with announcing(console, "Starting the engine ...") as announce:
            stack = at_end.enter_context(running_stack(stack_options, announce=announce))
        yield Engine(
            api_url=stack.api_url,
            username=stack.username,
            password=stack.password,
            journal=stack.journal,
            call_records=stack.call_records,
            is_own=True,
            records=stack_options.records,
            check=stack.check,
            verdicts=lambda campaign_id: verify(ledgers_of(stack, campaign_id)),
        )


@contextmanager
def given_engine(
    api_url: str,
    journal: Path | None,
    username: str,
    password: str,
    accesskey: str | None,
) -> Iterator[Engine]:
    """Take an engine that runs already.

    Raises:
        CannotGoOn: The journal is not there.
    """
    if journal is not None and not journal.is_file():
        raise CannotGoOn(f"There is no journal {journal}. `campaignctl up` says where it is.")
    records = journal.with_name(CALL_RECORDS) if journal else None
    yield Engine(
        api_url=api_url,
        username=username,
        password=password,
        accesskey=accesskey,
        journal=journal,
        call_records=records if records and records.is_file() else None,
        is_own=False,
        records=None,
        check=lambda: None,
    )
