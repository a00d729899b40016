"""Run the flow-runner: `python -m flow_runner`. Settings are environment variables."""

from chassis.lifecycle import run
from chassis.settings import load

from flow_runner.app import build
from flow_runner.settings import Settings


def main() -> None:
    """Run until SIGTERM."""
    run(build(load(Settings)))


if __name__ == "__main__":
    main()
