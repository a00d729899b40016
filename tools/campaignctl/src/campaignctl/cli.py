"""`campaignctl`: run the engine, see what it does, and ask the log."""

import signal
import sys

import typer
from rich.markup import escape

from campaignctl.demo import demo
from campaignctl.diff import diff
from campaignctl.errors import CannotGoOn
from campaignctl.events import events
from campaignctl.explain import explain
from campaignctl.export import export
from campaignctl.forget import forget
from campaignctl.infrastructure import InfrastructureUnavailable
from campaignctl.provision import provision_
from campaignctl.rebuild import rebuild
from campaignctl.redrive import redrive
from campaignctl.replay import replay
from campaignctl.republish import import_, republish
from campaignctl.screen import a_console
from campaignctl.supervision import ChildExited, ChildNotReady
from campaignctl.trace import trace
from campaignctl.up import up
from campaignctl.verify import verify_
from campaignctl.watch import watch

EXPECTED = (CannotGoOn, ChildExited, ChildNotReady, InfrastructureUnavailable)

app = typer.Typer(
    name="campaignctl",
    help="Run the campaign engine on this machine, and see what it does.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
)
app.command()(up)
app.command()(demo)
app.command()(watch)
app.command()(explain)
app.command("provision")(provision_)
app.command()(rebuild)
app.command("verify")(verify_)
app.command()(events)
app.command()(trace)
app.command()(replay)
app.command()(export)
app.command("import")(import_)
app.command()(diff)
app.command()(redrive)
app.command()(forget)
app.command()(republish)


def main() -> None:
    """Run the command line; what the user can do something about is told without a traceback."""
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        app()
    except EXPECTED as error:
        a_console(to_stderr=True).print(f"[bold red]error:[/] {escape(str(error))}")
        sys.exit(1)
