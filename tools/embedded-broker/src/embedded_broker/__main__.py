"""Run the broker: `python -m embedded_broker --port 0 --data FOLDER`."""

import argparse
import asyncio
import signal
import sys
from pathlib import Path

from embedded_broker.server import Broker


async def serve(port: int, folder: Path) -> None:
    """Serve until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)

    def tell(address: str) -> None:
        sys.stdout.write(f"listening on {address}\n")
        sys.stdout.flush()

    await Broker(folder, port=port).run(tell, stop)


def main() -> None:
    """Read the arguments and serve."""
    parser = argparse.ArgumentParser(
        prog="python -m embedded_broker",
        description="A single-node broker that speaks the Kafka protocol, on loopback, for "
        "development only: no replication, no fsync, no compaction, no transactions, no security. "
        "Topics, messages and committed offsets are kept in the folder and survive a restart.",
        epilog="example: python -m embedded_broker --port 9092 --data ./broker",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes any free port (default)")
    parser.add_argument("--data", type=Path, required=True, help="where everything is kept")
    asked = parser.parse_args()
    asyncio.run(serve(asked.port, asked.data))


if __name__ == "__main__":
    main()
