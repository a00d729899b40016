"""`campaignctl explain`: why a campaign does or does not dial, a target is or is not called."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from campaignctl import options
from campaignctl.client import ApiRefused, Client, Resource
from campaignctl.screen import a_console, print_json
from campaignctl.stack import PASSWORD, USERNAME

Id = Annotated[
    str,
    typer.Argument(
        help="The id of a campaign, or of a target.", metavar="CAMPAIGN|TARGET", show_default=False
    ),
]
NOT_FOUND = 404
NOT_HELD = "none"
GOING = {NOT_HELD, "calls_under_way", "claimed", "done"}
WORDS = {
    NOT_HELD: "callable now",
    "retry_due_later": "wait for their interval",
    "calling_hours": "wait for their calling hours",
    "do_not_call": "are on a do-not-call list",
    "in_call": "wait for another call to their number",
    "attempts_per_day": "have had their attempts of the day",
    "attempts_per_week": "have had their attempts of the week",
    "calls_under_way": "are being called",
    "concurrent_calls": "wait for a free line",
    "waiting_for_agents": "wait for a free agent",
    "calls_per_second": "wait for the rate",
    "gateway_pause": "wait until the gateway has had its pause",
    "not_started": "wait for the start",
    "stopping": "wait for the next start",
}


def explain(
    id_: Id,
    *,
    api_url: options.ApiUrl = options.DEFAULT_API_URL,
    username: options.Username = USERNAME,
    password: options.Password = PASSWORD,
    accesskey: options.Accesskey = None,
    json_: options.Json = False,
) -> None:
    """Say why a campaign does or does not dial right now, and what its targets wait for.

    Of a target: why it is or is not called right now, and until when.

    For example:

        campaignctl explain 0b6f2f0e-5d0c-4c53-9a0a-6f1b6f9a1c01
    """
    with Client(api_url) as client:
        client.identify(username, password, accesskey)
        explained = explained_by(client, id_)
    if json_:
        print_json(explained)
    elif "target_id" in explained:
        show_target(a_console(), explained)
    else:
        show(a_console(), explained)


def explained_by(client: Client, id_: str) -> Resource:
    """Return the explanation of a campaign, or of a target if no campaign has this id.

    Raises:
        ApiRefused: There is neither.
    """
    try:
        return client.get(f"/campaigns/{id_}/explain")
    except ApiRefused as refusal:
        if refusal.status_code != NOT_FOUND:
            raise
    return client.get(f"/targets/{id_}/explain")


def show_target(console: Console, explained: Resource) -> None:
    """Print the explanation of a target: the sentence first, then what its campaigns do."""
    colour = "green" if explained["obstacle"] in GOING else "yellow"
    console.print(
        f"[bold]{escape(explained['status'])}[/]: [{colour}]{escape(explained['why'])}[/]"
    )
    for campaign in explained["campaigns"]:
        words = f"campaign {campaign['campaign_id']} ({campaign['status']}): {campaign['why']}"
        console.print(f"[dim]{escape(words)}[/]")


def show(console: Console, explained: Resource) -> None:
    """Print an explanation: the sentence first, then who waits for what."""
    colour = "green" if explained["obstacle"] == NOT_HELD else "yellow"
    console.print(
        f"[bold]{escape(explained['status'])}[/]: [{colour}]{escape(explained['why'])}[/]"
    )
    if explained["waiting"]:
        table = Table("targets", "", "until", box=None, header_style="dim")
        for row in explained["waiting"]:
            word = WORDS.get(row["obstacle"], row["obstacle"])
            table.add_row(str(row["count"]), word, escape(row["until"] or ""))
        console.print(table)
    lines = f"{explained['open_calls']} of {explained['max_concurrent_calls']} lines"
    rate = f"{explained['calls_in_last_second']} of {explained['calls_per_second']} calls a second"
    agents = explained["calls_allowed_by_agents"]
    allowed = "" if agents is None else f", {agents} calls allowed by free agents"
    console.print(f"[dim]{lines}, {rate}{allowed}[/]")
