"""What is done about a gateway that asks not to be asked for calls for a while."""

import structlog
from chassis.errors import TRANSIENT
from target_queue import Pauses

from dialer.ports import GatewayPaused

log = structlog.get_logger()


async def leave_alone(pauses: Pauses, asked: GatewayPaused) -> None:
    """Leave the gateway alone for as long as it asks, all workers together."""
    log.warning("gateway asks for a pause", why=str(asked), pause_s=asked.pause.total_seconds())
    try:
        await pauses.begin(asked.pause)
    except TRANSIENT as trouble:  # the others are told by the gateway itself
        log.warning("pause not told to the others", why=str(trouble))
