"""The flow-runner, put together from top to bottom."""

import asyncio
from datetime import timedelta

from chassis.clock import StoreClock
from chassis.lifecycle import Parts, Service

from flow_runner.adapters.espeak import Espeak
from flow_runner.api import build_api
from flow_runner.settings import Settings
from flow_runner.subscribers import follow_roster, subscribe_calls
from flow_runner.usecases.flows import NAMESPACE, Flows
from flow_runner.usecases.lines import SHARD, QueueLines
from flow_runner.usecases.timers import Timers


def build(settings: Settings) -> Service:
    """Return the flow-runner as a service."""
    speech = Espeak(
        program=settings.espeak, folder=settings.cache_folder, public_url=settings.public_url
    )
    return Service(
        name="flow-runner",
        settings=settings,
        api=build_api(speech.path_of),
        namespaces=(NAMESPACE, f"{SHARD}!"),
        wire=lambda parts: _wire(settings, parts, speech),
    )


def _wire(settings: Settings, parts: Parts, speech: Espeak) -> None:
    clock, wake = StoreClock(), asyncio.Event()
    flows = Flows(outbox=parts.outbox, speech=speech, now=clock.now, on_timer=wake.set)
    lines = QueueLines(
        outbox=parts.outbox,
        flows=flows,
        now=clock.now,
        agent_rest=timedelta(seconds=settings.agent_rest_s),
    )
    flows.queue_with(lines.carry_out, lines.find_queue)
    timers = Timers(outbox=parts.outbox, flows=flows, clock=clock, wake=wake)

    finish = subscribe_calls(parts, flows)
    roster = follow_roster(parts, lines)
    lines.catch_up_with(roster.caught_up)

    async def know_roster() -> None:
        """Nobody is told that a queue is missing before everything has been read once."""
        await roster.caught_up()
        lines.roster_known.set()
        await asyncio.Event().wait()

    parts.on_start.append(lambda: clock.set_by(parts.outbox))
    parts.on_rebuilt.append(flows.forget)
    parts.loops += [know_roster, timers.run, lines.look_around]
    parts.on_stop.append(finish)
