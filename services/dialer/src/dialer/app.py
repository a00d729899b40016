"""The dialer, put together from top to bottom."""

import asyncio
from collections.abc import AsyncIterator

from chassis.clock import StoreClock
from chassis.lifecycle import Parts, Service
from chassis.probes import Readiness
from starlette.applications import Starlette
from target_queue import Deferrals, Numbers, Pace, Pauses, Permits, TargetQueue, Workers

from dialer.adapters.ari import AriGateway
from dialer.domain.roster import Roster
from dialer.settings import Settings
from dialer.subscribers import follow_roster, subscribe_calls, subscribe_campaigns
from dialer.usecases.attempts import Attempts
from dialer.usecases.campaigns import Campaigns
from dialer.usecases.commands import Commands
from dialer.usecases.dialing import Dialing
from dialer.usecases.fleet import Fleet
from dialer.usecases.holds import Holds
from dialer.usecases.recovery import Recovery


def build(settings: Settings) -> Service:
    """Return the dialer as a service."""
    return Service(
        name="dialer",
        settings=settings,
        api=Starlette(),
        namespaces=("dialing",),
        wire=lambda parts: _wire(settings, parts),
    )


def _wire(settings: Settings, parts: Parts) -> None:
    queue = TargetQueue(parts.outbox)
    deferrals = Deferrals(parts.outbox)
    roster = Roster()
    permits = Permits(parts.outbox)
    pauses = Pauses(parts.outbox)
    clock = StoreClock()
    attempts = Attempts(outbox=parts.outbox, queue=queue, worker=settings.worker, now=clock.now)
    link = Link(parts.readiness)
    gateway = AriGateway(
        url=settings.ari_url,
        username=settings.ari_username,
        password=settings.ari_password.get_secret_value(),
        application=settings.worker,
        call_records=settings.call_records,
        on_signal=attempts.hear,
        on_connection=link.changed,
    )
    holds = Holds(Numbers(parts.outbox), attempts.open_attempts)
    dialing = Dialing(
        outbox=parts.outbox,
        queue=queue,
        deferrals=deferrals,
        permits=permits,
        pauses=pauses,
        attempts=attempts,
        gateway=gateway,
        holds=holds,
        worker=settings.worker,
        gateway_calls_per_second=settings.gateway_calls_per_second,
    )
    campaigns = Campaigns(
        outbox=parts.outbox,
        queue=queue,
        deferrals=deferrals,
        dialing=dialing,
        pace=Pace(parts.outbox),
        pauses=pauses,
        roster=roster,
        is_connected=link.is_up,
    )
    recovery = Recovery(
        outbox=parts.outbox,
        attempts=attempts,
        dialing=dialing,
        gateway=gateway,
        worker=settings.worker,
    )
    fleet = Fleet(
        outbox=parts.outbox,
        workers=Workers(parts.outbox),
        permits=permits,
        attempts=attempts,
        recovery=recovery,
        gateway=gateway,
        worker=settings.worker,
    )
    attempts.attach(
        gateway=gateway,
        listener=campaigns,
        on_ended=lambda attempt, was_dialed: holds.let_go(attempt, was_dialed=was_dialed),
    )
    dialing.attach(recover=recovery.recover)

    commands = Commands(outbox=parts.outbox, attempts=attempts, gateway=gateway, pauses=pauses)
    finishes = [
        subscribe_campaigns(parts, campaigns),
        subscribe_calls(parts, commands, attempts),
    ]
    follow_roster(parts, roster, campaigns)

    async def reconcile() -> None:
        """After each (re)connection, look up what was open while nobody listened."""
        async for _ in link.ups():
            campaigns.wake_all()
            await recovery.reconcile()

    async def wake() -> None:
        async for outdial_id in queue.wakes():
            campaigns.wake_outdial(outdial_id)

    parts.on_start += [lambda: clock.set_by(parts.outbox), recovery.take_up]
    parts.on_rebuilt.append(recovery.resume)
    parts.loops += [
        gateway.run,
        reconcile,
        wake,
        pauses.follow,
        recovery.watch,
        campaigns.reap,
        fleet.beat,
        holds.renew,
        campaigns.measure,
        attempts.measure,
        lambda: clock.follow(parts.outbox),
    ]
    parts.on_stop += [campaigns.stop, *finishes, fleet.leave]


class Link:
    """Whether the gateway's events reach us; each return of the connection is told."""

    def __init__(self, readiness: Readiness) -> None:
        self._readiness = readiness
        self._is_up = False
        self._came_up = asyncio.Event()
        readiness.set("gateway", False, "not connected yet")

    def is_up(self) -> bool:
        """Whether calls may be placed."""
        return self._is_up

    def changed(self, is_up: bool) -> None:
        """Take note of a change."""
        self._is_up = is_up
        self._readiness.set("gateway", is_up, "" if is_up else "the gateway is away")
        if is_up:
            self._came_up.set()

    async def ups(self) -> AsyncIterator[None]:
        """Yield each time the connection has come up."""
        while True:
            await self._came_up.wait()
            self._came_up.clear()
            yield
