"""A service that is told to end hands over what it has, to the last step and in order."""

import asyncio
from collections.abc import Callable

from chassis.lifecycle import Loop, Parts, Service, serve
from chassis.settings import ServiceSettings
from starlette.applications import Starlette
from structlog.testing import capture_logs

Unique = Callable[[str], str]
PAUSE_S = 0.3


async def told_to_end(settings: ServiceSettings, name: str, on_stop: list[Loop]) -> list[str]:
    """Run a service until it is ready, have it end, and return what it has logged."""
    stop = asyncio.Event()

    def wire(parts: Parts) -> None:
        async def until_ready() -> None:
            while not parts.readiness.is_ready:
                await asyncio.sleep(0.01)
            stop.set()
            await asyncio.Event().wait()

        parts.loops.append(until_ready)
        parts.on_stop += on_stop

    with capture_logs() as logged:
        async with asyncio.timeout(60):
            await serve(Service(name, settings, Starlette(), (f"{name}!",), wire), stop)
    return [line["event"] for line in logged]


async def test_each_step_of_the_end_is_waited_for(
    kafka_bootstrap: str, redis_url: str, unique: Unique
) -> None:
    done: list[str] = []

    def step(name: str) -> Loop:
        async def hand_over() -> None:
            await asyncio.sleep(PAUSE_S)
            done.append(name)

        return hand_over

    settings = ServiceSettings(kafka_bootstrap=kafka_bootstrap, redis_url=redis_url)
    events = await told_to_end(settings, unique("ending"), [step("calls"), step("partitions")])
    assert done == ["calls", "partitions"]
    assert events[-2:] == ["service stops", "service stopped"]


async def test_a_service_that_still_waits_for_a_neighbour_ends_at_once(redis_url: str) -> None:
    nobody = "127.0.0.1:1"
    settings = ServiceSettings(kafka_bootstrap=nobody, redis_url=redis_url)
    stop = asyncio.Event()
    asyncio.get_running_loop().call_later(0.5, stop.set)
    service = Service("waiting", settings, Starlette(), (), lambda _: None)
    async with asyncio.timeout(10) as limit:
        await serve(service, stop)
    assert not limit.expired(), "it ends by itself"
