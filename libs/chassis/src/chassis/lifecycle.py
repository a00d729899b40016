"""Run a service: probes first, then its neighbours, then its work; and all of it back in reverse.

A service never crash-loops because Redis or Kafka is away: it waits, and says so on /readyz.
"""

import asyncio
import gc
import signal
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field

import structlog
import uvicorn
from faststream.kafka import KafkaBroker
from starlette.applications import Starlette

from chassis import failpoints, logs
from chassis.broker import build_broker, build_producer, mend_connections
from chassis.endings import end
from chassis.epoch import Epoch
from chassis.errors import TRANSIENT, persist
from chassis.keeper import EpochKeeper
from chassis.meeting import meet_kafka, meet_redis
from chassis.metrics import Measured, watch_loop
from chassis.outbox import Outbox
from chassis.probes import Readiness, add_probes
from chassis.relay import Relay
from chassis.settings import ServiceSettings
from chassis.store import connect

log = structlog.get_logger()

Loop = Callable[[], Awaitable[None]]
GRACE_S = 20.0
GC_THRESHOLDS = (20_000, 20, 10)
AWAY: tuple[type[BaseException], ...] = (*TRANSIENT, TimeoutError)


@dataclass(slots=True)
class Parts:
    """What a service is wired from.

    Attributes:
        member: Name of this process in its consumer groups.
        broker: Carries the subscribers.
        outbox: State and messages.
        readiness: What /readyz tells.
        loops: Background loops; one that fails is logged and started again.
        on_rebuilt: Run in order when Redis has been rebuilt while we ran: what was committed last
            may be lost.
        on_start: Run in order once Redis and Kafka are there, before the subscribers start.
        on_stop: Run in order when the service is told to end, before the subscribers stop.
    """

    member: str
    broker: KafkaBroker
    outbox: Outbox
    readiness: Readiness
    loops: list[Loop] = field(default_factory=list)
    on_rebuilt: list[Loop] = field(default_factory=list)
    on_start: list[Loop] = field(default_factory=list)
    on_stop: list[Loop] = field(default_factory=list)


@dataclass(slots=True)
class Service:
    """One program.

    Attributes:
        name: Also the source of its messages.
        settings: Its settings.
        api: Its HTTP side; the probes are added to it.
        namespaces: Shard namespaces whose outboxes it relays; `name!` is a single shard.
        wire: Called once with the parts, to attach subscribers and loops.
    """

    name: str
    settings: ServiceSettings
    api: Starlette
    namespaces: tuple[str, ...]
    wire: Callable[[Parts], None]


class _Server(uvicorn.Server):
    """uvicorn without its own signal handling: the service decides when to stop."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def run(service: Service) -> None:
    """Run the service until SIGTERM or SIGINT."""
    logs.configure(service.name, service.settings.log_level)
    failpoints.watch(service.settings.failpoint_file)
    traced = _traced(service)
    gc.freeze()  # what is loaded by now stays; looking through it again and again costs a fifth
    gc.set_threshold(*GC_THRESHOLDS)
    with traced:
        try:
            import uvloop
        except ImportError:
            asyncio.run(serve(service))
        else:
            mend_connections()
            uvloop.run(serve(service))


def _traced(service: Service) -> AbstractContextManager[None]:
    settings = service.settings
    if settings.traces_endpoint is None:
        return nullcontext()
    from chassis.collector import recording  # what it needs takes a moment and some memory

    return recording(
        service.name, settings.worker_id, settings.traces_endpoint, settings.traces_share
    )


async def serve(service: Service, stop: asyncio.Event | None = None) -> None:
    """Run the service until `stop` is set (by SIGTERM and SIGINT unless given)."""
    if stop is None:
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
    epoch = Epoch()
    parts = Parts(
        member=f"{service.name}-{service.settings.worker_id}",
        broker=build_broker(service.settings, service.name),
        outbox=Outbox(connect(service.settings.redis, epoch), epoch),
        readiness=Readiness(),
    )
    add_probes(service.api, parts.readiness)
    service.api.add_middleware(Measured)
    service.wire(parts)
    async with AsyncExitStack() as stack:
        await _serve_http(stack, service)
        begun = asyncio.Event()
        work = asyncio.create_task(_work(service, parts, begun, stop))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((work, stopping), return_when=asyncio.FIRST_COMPLETED)
        if not begun.is_set():
            work.cancel()  # still waiting for a neighbour: nothing to hand over
        stopping.cancel()
        with suppress(asyncio.CancelledError):
            await work
        await parts.outbox.redis.aclose()
    log.info("service stopped")


async def _serve_http(stack: AsyncExitStack, service: Service) -> None:
    settings = service.settings
    config = uvicorn.Config(
        service.api,
        host=settings.http_host,
        port=settings.http_port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=5,
    )
    server = _Server(config)
    task = asyncio.create_task(server.serve())

    async def close() -> None:
        server.should_exit = True
        await task

    stack.push_async_callback(close)
    while not server.started:
        if task.done():
            raise SystemExit(f"cannot listen on {settings.http_host}:{settings.http_port}")
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    log.info("service listens", host=settings.http_host, port=port)


async def _work(service: Service, parts: Parts, begun: asyncio.Event, stop: asyncio.Event) -> None:
    """Wait for the neighbours, start everything, wait for the end, and stop in reverse."""
    ready = parts.readiness
    await persist(
        lambda: meet_redis(parts.outbox.redis),
        what="redis",
        on_trouble=lambda ok, why: ready.set("redis", ok, why),
    )
    await persist(
        lambda: meet_kafka(service.settings),
        what="kafka",
        on_trouble=lambda ok, why: ready.set("kafka", ok, why),
    )
    async with AsyncExitStack() as stack:
        keeper = EpochKeeper(service.settings, parts.outbox.epoch, ready)
        stack.push_async_callback(keeper.aclose)
        await persist(keeper.enter, what="epoch", on_trouble=keeper.tell, longest_pause=0.5)
        producer = build_producer(service.settings, f"{parts.member}-relay")
        await persist(producer.start, what="kafka producer")
        stack.push_async_callback(producer.stop)
        relay = Relay(
            parts.outbox,
            producer,
            service.namespaces,
            lambda ok, why: ready.set("relay", ok, why),
        )
        _background(stack, relay.run)
        _background(stack, relay.measure)
        _background(stack, watch_loop)
        _background(stack, parts.outbox.listen)
        for prepare in parts.on_start:
            await persist(prepare, what=f"{service.name} start")
        await persist(parts.broker.start, what="kafka subscribers")
        stack.push_async_callback(parts.broker.stop)
        for loop in parts.loops:
            _background(stack, loop)
        _background(stack, lambda: keeper.watch(parts.on_rebuilt))
        _background(stack, lambda: _watch(parts))
        begun.set()
        ready.set("start", True)
        log.info("service ready")
        await stop.wait()
        ready.set("start", False, "stopping")
        log.info("service stops")
        for finish in parts.on_stop:
            with suppress(TimeoutError):
                await asyncio.wait_for(finish(), GRACE_S)


def _background(stack: AsyncExitStack, loop: Loop) -> None:
    stack.push_async_callback(end, asyncio.create_task(_for_ever(loop)))


async def _for_ever(loop: Loop) -> None:
    while True:
        try:
            await loop()
        except TRANSIENT as trouble:
            log.warning("loop waits", loop=getattr(loop, "__qualname__", "loop"), why=str(trouble))
        except Exception:
            log.exception("loop failed", loop=getattr(loop, "__qualname__", "loop"))
        await asyncio.sleep(0.5)


async def _watch(parts: Parts) -> None:
    """Tell on /readyz whether Redis and Kafka still answer."""
    while True:
        try:
            await asyncio.wait_for(parts.outbox.redis.ping(), 2.0)
        except AWAY as trouble:
            parts.readiness.set("redis", False, f"redis is away: {trouble}")
        else:
            parts.readiness.set("redis", True)
        is_there = await parts.broker.ping(timeout=2.0)
        parts.readiness.set("kafka", is_there, "" if is_there else "kafka is away")
        await asyncio.sleep(1.0)
