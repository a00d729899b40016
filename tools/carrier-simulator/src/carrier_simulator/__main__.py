"""Run the simulated telephone network: `python -m carrier_simulator --help`."""

import argparse
import asyncio
import signal
import sys
import uuid
from pathlib import Path

from carrier_simulator.applications import Applications
from carrier_simulator.behaviours import explained
from carrier_simulator.journal import CallRecords, Journal
from carrier_simulator.network import Network
from carrier_simulator.router import Router
from carrier_simulator.server import Doors
from carrier_simulator.sounds import Sounds


def main() -> None:
    """Serve until SIGTERM or ctrl-C."""
    options = parser().parse_args()
    if sys.platform == "win32":
        asyncio.run(serve(options))
    else:
        import uvloop

        uvloop.run(serve(options))


async def serve(options: argparse.Namespace) -> None:
    """Open the doors and stay until told to stop; channels that are up end with the network."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    journal, call_records = Journal(options.journal), CallRecords(options.call_records)
    sounds = Sounds()
    applications = Applications(asterisk_id=f"simulated-{uuid.uuid4().hex[:12]}")
    network = Network(
        applications=applications,
        journal=journal,
        call_records=call_records,
        sounds=sounds,
        seed=options.seed,
        speed=options.speed,
    )
    doors = Doors(
        Router(network), applications, username=options.username, password=options.password
    )
    port = await doors.open(options.port, host=options.host)
    sys.stdout.write(f"listening on {options.host}:{port}\n")
    sys.stdout.flush()
    await stopping.wait()
    await doors.aclose()
    await sounds.aclose()
    await journal.aclose()
    call_records.close()


def parser() -> argparse.ArgumentParser:
    """Return what understands the command line."""
    known = argparse.ArgumentParser(
        prog="python -m carrier_simulator",
        description="A telephone network on loopback that speaks the Asterisk REST Interface.",
        epilog=explained(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    known.add_argument("--host", default="127.0.0.1", help="loopback alone unless given")
    known.add_argument("--port", type=int, default=0, help="0 chooses a free one (default)")
    known.add_argument(
        "--journal", type=Path, required=True, help="originations, as JSON lines, appended"
    )
    known.add_argument(
        "--call-records", type=Path, required=True, help="ended channels, as CSV, appended"
    )
    known.add_argument("--seed", type=int, default=0, help="of what other numbers do")
    known.add_argument(
        "--speed", type=_positive, default=1.0, help="divides all simulated durations"
    )
    known.add_argument("--username", default="dialer")
    known.add_argument("--password", default="dialer")
    return known


def _positive(text: str) -> float:
    speed = float(text)
    if not 0 < speed < float("inf"):
        raise argparse.ArgumentTypeError("must be more than 0")
    return speed


if __name__ == "__main__":
    main()
