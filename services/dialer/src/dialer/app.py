"""The dialer, put together from top to bottom."""

import asyncio

import structlog
from chassis.lifecycle import Parts, Service
from fastapi import FastAPI
from target_queue import TargetQueue

from dialer.adapters.ari import AriGateway
from dialer.domain.roster import Roster
from dialer.settings import Settings
from dialer.subscribers import follow_roster, subscribe_calls, subscribe_campaigns
from dialer.usecases.attempts import Attempts
from dialer.usecases.campaigns import Campaigns
from dialer.usecases.commands import Commands
from dialer.usecases.recovery import Recovery

log = structlog.get_logger()


def build(settings: Settings) -> Service:
    """Return the dialer as a service."""
    return Service(
        name="dialer",
        settings=settings,
        api=FastAPI(title="dialer", openapi_url=None),
        namespaces=("dialing",),
        wire=lambda parts: _wire(settings, parts),
    )


def _wire(settings: Settings, parts: Parts) -> None:
    connected = asyncio.Event()
    parts.readiness.set("gateway", False, "not connected yet")

    def on_connection(is_up: bool) -> None:
        parts.readiness.set("gateway", is_up, "" if is_up else "the gateway is away")
        if is_up:
            connected.set()
            campaigns.wake_all()

    gateway = AriGateway(
        url=settings.ari_url,
        username=settings.ari_username,
        password=settings.ari_password.get_secret_value(),
        application=settings.worker,
        call_records=settings.call_records,
        on_signal=lambda signal: attempts.hear(signal),
        on_connection=on_connection,
    )
    queue = TargetQueue(parts.outbox)
    roster = Roster()
    attempts = Attempts(
        outbox=parts.outbox,
        queue=queue,
        gateway=gateway,
        worker=settings.worker,
        on_settled=lambda attempt: campaigns.on_settled(attempt),
        on_answered=lambda attempt: campaigns.on_answered(attempt),
    )
    campaigns = Campaigns(
        outbox=parts.outbox,
        queue=queue,
        attempts=attempts,
        roster=roster,
        is_connected=lambda: gateway.is_connected,
    )
    recovery = Recovery(
        outbox=parts.outbox, attempts=attempts, gateway=gateway, worker=settings.worker
    )
    attempts.recover_with(recovery.recover)
    commands = Commands(outbox=parts.outbox, attempts=attempts, gateway=gateway)

    subscribe_campaigns(parts, campaigns)
    subscribe_calls(parts, commands, attempts)
    follow_roster(parts, roster, campaigns)

    async def reconcile() -> None:
        """After each (re)connection, look up what was open while nobody listened."""
        while True:
            await connected.wait()
            connected.clear()
            await recovery.reconcile()

    async def wake() -> None:
        async for outdial_id in queue.wakes():
            campaigns.wake_outdial(outdial_id)

    parts.on_start.append(recovery.take_up)
    parts.loops += [gateway.run, reconcile, wake, recovery.watch, campaigns.reap]
    parts.on_stop.append(campaigns.stop)
