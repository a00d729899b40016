"""Run the campaign-manager: `python -m campaign_manager`. Settings are environment variables."""

from chassis.lifecycle import run
from chassis.settings import load

from campaign_manager.app import build
from campaign_manager.settings import Settings


def main() -> None:
    """Run until SIGTERM."""
    run(build(load(Settings)))


if __name__ == "__main__":
    main()
