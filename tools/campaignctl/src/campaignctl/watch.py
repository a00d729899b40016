"""`campaignctl watch`: a campaign, live."""

import time
from collections.abc import Callable
from typing import Annotated

import typer

from campaignctl import options
from campaignctl.census import Census, Standing, as_json
from campaignctl.client import Client
from campaignctl.screen import a_console, print_json, showing
from campaignctl.stack import PASSWORD, USERNAME

LINE_EVERY_S = 2.0

CampaignId = Annotated[str, typer.Argument(help="The campaign's id.", show_default=False)]
Every = Annotated[float, typer.Option(min=0.1, help="Seconds between two looks.")]


def watch(
    campaign_id: CampaignId,
    *,
    api_url: options.ApiUrl = options.DEFAULT_API_URL,
    username: options.Username = USERNAME,
    password: options.Password = PASSWORD,
    accesskey: options.Accesskey = None,
    every: Every = 1.0,
    json_: options.Json = False,
) -> None:
    """Show a campaign live until it has stopped or ctrl-C.

    Targets by status, attempts by status and by what came of them, and the pace. Without a
    terminal it prints lines; with --json one object per look.

    For example:

        campaignctl watch 0b6f2f0e-5d0c-4c53-9a0a-6f1b6f9a1c01
    """
    with Client(api_url) as client:
        client.identify(username, password, accesskey)
        census = Census(client, campaign_id)
        if json_:
            follow(census, every, lambda standing: print_json(as_json(standing)))
        else:
            with showing(a_console(), line_every_s=LINE_EVERY_S) as show:
                follow(census, every, show)


def follow(census: Census, every_s: float, show: Callable[[Standing], None]) -> Standing:
    """Show the campaign again and again; return how it stands when it has stopped."""
    while True:
        standing = census.take()
        show(standing)
        if standing.status == "stop":
            return standing
        time.sleep(every_s)
