"""Run the dialer: `python -m dialer`. Settings are environment variables with DIALER_."""

from chassis.lifecycle import run
from chassis.settings import load

from dialer.app import build
from dialer.settings import Settings


def main() -> None:
    """Run until SIGTERM."""
    run(build(load(Settings)))


if __name__ == "__main__":
    main()
