"""The broker of this repository, for a machine with nothing but Python; for development only."""

import sys

from campaignctl.infrastructure.ports import free_port
from campaignctl.infrastructure.probes import kafka_answers
from campaignctl.infrastructure.provider import Ground, Running, Unavailable
from campaignctl.supervision import ChildExited, ChildNotReady

CHILD = "kafka-embedded"
CAPABILITIES = frozenset({"retention", "describe_configs"})


def start_embedded_kafka(ground: Ground) -> Running:
    """Start `embedded_broker`; its state lies in `kafka-embedded` of the folder.

    Raises:
        Unavailable: It did not start.
    """
    from importlib.metadata import version

    state = ground.supervisor.folder / CHILD
    state.mkdir(parents=True, exist_ok=True)
    port = free_port()  # not 0: a restart must answer at the same address
    bootstrap = f"127.0.0.1:{port}"
    command = [sys.executable, "-m", "embedded_broker", "--port", str(port), "--data", str(state)]
    try:
        ground.supervisor.start(CHILD, command, ready=lambda: kafka_answers(bootstrap))
    except (ChildExited, ChildNotReady) as error:
        raise Unavailable(f"the embedded broker did not start: {error}") from error
    own = version("campaign-engine-embedded-broker")
    title = f"embedded broker {own}, for development only"
    return Running(
        address=bootstrap, version=own, title=title, capabilities=CAPABILITIES, child=CHILD
    )
