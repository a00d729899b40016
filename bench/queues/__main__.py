"""Five queues do the same work, side by side; then each worker is killed in the middle of it.

    make bench-queues

An item is taken, its start is recorded, 50 ms of I/O are waited for, its end is recorded. First the
queues run one after the other, which gives the rates, with few and with many items at a time; then,
with few, all at once: each worker is killed with SIGKILL, and a new one has 75 s to make good what
it finds.
"""

import argparse
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from campaignctl.infrastructure import Infrastructure, infrastructure

from bench.page import write_section
from bench.queues.contenders import CONTENDERS, Contender, Place, Run
from bench.queues.journal import Journal, Tally, in_flight, read, tally
from bench.usage import children, exact_cpu_seconds

POLL_S = 0.05
RUN_LIMIT_S = 90.0
GRACE_S = 75.0
FREEZE_LIMIT_S = 15.0
FREEZE_POLL_S = 0.01
TOOL_FOLDER = Path(".venv-queues")


@dataclass(frozen=True, slots=True)
class Rate:
    """What the items took, without the start of the worker: CPU is in seconds."""

    items: int
    ended: int
    seconds: float
    worker_cpu_s: float
    redis_cpu_s: float
    kafka_cpu_s: float

    @property
    def remark(self) -> str:
        """Say that not all items ended, though nobody killed anything: look into the settings."""
        return "" if self.ended == self.items else f" (only {self.ended:,} ended)"


def journal_of(place: Place) -> Journal:
    """Return what the items have written so far."""
    if not place.journal.is_file():
        return read([])
    with place.journal.open(encoding="utf-8") as lines:
        return read(lines)


def family(pid: int) -> list[int]:
    """Return a process and all that descend from it, the eldest first."""
    return [pid, *(one for child in children(pid) for one in family(child))]


def family_cpu(pid: int) -> float:
    """Return the CPU seconds of a process and its descendants."""
    return sum(exact_cpu_seconds(one) for one in family(pid))


def await_ended(place: Place, count: int) -> Journal:
    """Return the journal once so many items have ended, or time is up."""
    deadline = time.monotonic() + RUN_LIMIT_S
    while True:
        seen = journal_of(place)
        if len(seen.ended) >= count or time.monotonic() > deadline:
            return seen
        time.sleep(POLL_S)


def measure_rate(run: Run, name: str, place: Place, items: int) -> Rate:
    """Let one worker do all items."""
    found = place.infrastructure
    supervisor = found.supervisor
    run.enqueue(items)
    supervisor.start(name, run.command, env=run.env)
    pids = [supervisor.pid(child) for child in (found.redis.child, found.kafka.child) if child]
    deadline = time.monotonic() + RUN_LIMIT_S
    while journal_of(place).first_at is None and time.monotonic() < deadline:
        supervisor.check()
        time.sleep(POLL_S / 5)
    used = [family_cpu(supervisor.pid(name)), *map(exact_cpu_seconds, pids)]
    seen = await_ended(place, items)
    now = [family_cpu(supervisor.pid(name)), *map(exact_cpu_seconds, pids)]
    worker, redis, kafka = (after - before for after, before in zip(now, used, strict=True))
    end_family(name, place)
    return Rate(items, len(seen.ended), seen.seconds, worker, redis, kafka)


def end_family(name: str, place: Place) -> None:
    """End a worker and its children by SIGKILL, the eldest first, so that none is started anew."""
    supervisor = place.infrastructure.supervisor
    kin = family(supervisor.pid(name)) if supervisor.is_running(name) else []
    for pid in kin:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    supervisor.kill(name)


def kill_in_flight(name: str, place: Place, items: int) -> Journal:
    """Kill a worker that has begun items and not ended them; return the journal of that moment.

    A worker that works in waves has moments with nothing under way, and to be killed then is no
    test. So it is frozen first, and goes on if there is too little to lose.
    """
    pids = family(place.infrastructure.supervisor.pid(name))
    deadline = time.monotonic() + FREEZE_LIMIT_S
    while True:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        seen = journal_of(place)
        is_last = time.monotonic() > deadline or len(seen.ended) > items * 2 // 3
        if in_flight(seen) >= place.concurrency // 2 or is_last:
            end_family(name, place)
            return seen
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(FREEZE_POLL_S)


def measure_kill(run: Run, name: str, place: Place, items: int) -> Tally:
    """Kill the worker when a third of the items has ended; say what is left after the grace."""
    supervisor = place.infrastructure.supervisor
    run.enqueue(items)
    supervisor.start(name, run.command, env=run.env)
    await_ended(place, items // 3)
    at_kill = kill_in_flight(name, place, items)
    supervisor.start(f"{name}-again", run.command, env=run.env)
    time.sleep(GRACE_S)
    end_family(f"{name}-again", place)
    return tally(items, at_kill, journal_of(place), run.marks(), run.held())


def place_for(found: Infrastructure, number: int, concurrency: int) -> Place:
    """Return a place nobody else has."""
    url = f"{found.redis_url.rpartition('/')[0]}/{number}"
    journal = found.supervisor.folder / f"journal-{number}.txt"
    return Place(found, url, journal, concurrency)


def report(
    rates: dict[int, dict[str, Rate]], kills: dict[str, Tally], chosen: list[Contender], words: str
) -> str:
    """Return the section of the page; the rates by how many items at a time."""
    most = rates[max(rates)]
    heads = "".join(f" items per second, {concurrency} at a time |" for concurrency in rates)
    speed = "\n".join(
        f"| {name} |{''.join(_shown(each[name]) for each in rates.values())} {_cpu(most[name])}"
        for name in most
    )
    fates = "\n".join(
        f"| {name} | {one.items:,} | {one.in_flight} | {one.lost} | {one.repeated} "
        f"| {one.stranded} | {one.ambiguous} |"
        for name, one in kills.items()
    )
    settings = "\n".join(f"- {one.name}: {one.settings}" for one in chosen)
    return f"""{words}

An item: take it, record its start, wait 50 ms, record its end. Ours records both durably, on Kafka
before the I/O begins; the others as a user would by hand, SET and INCR in Redis.

| queue |{heads} worker, us | redis-server, us | Kafka, us |
|---|{"---|" * len(rates)}---|---|---|
{speed}

CPU is per item, with {max(rates)} at a time. {min(rates)} at a time, killed with SIGKILL when a third was
done, {GRACE_S:.0f} s after a new worker started:

| queue | items | in flight at the kill | lost | repeated | stranded | ambiguous |
|---|---|---|---|---|---|---|
{fates}

In flight: begun and not ended when the worker was killed; a row with few of them says nothing.
Lost: never ended, and neither the queue nor a record knows of it. Repeated: its I/O began twice.
Stranded: not ended after {GRACE_S:.0f} s, though the queue still holds it (and may give it out
later), or its record says that it runs. Ambiguous: recorded as such, since nobody can know; it is
not begun again. With a gateway that remembers its calls, the engine looks such an item up instead.

{settings}"""


def _shown(rate: Rate) -> str:
    if not rate.ended:
        return " none ended |"
    return f" {rate.ended / rate.seconds:,.0f}{rate.remark} |"


def _cpu(rate: Rate) -> str:
    seconds = (rate.worker_cpu_s, rate.redis_cpu_s, rate.kafka_cpu_s)
    return " | ".join(f"{one / max(1, rate.ended) * 1e6:,.0f}" for one in seconds) + " |"


def measure_kills(
    found: Infrastructure, chosen: list[Contender], tools: Path, concurrency: int, items: int
) -> dict[str, Tally]:
    """Kill all workers, each in a place of its own."""
    with ThreadPoolExecutor(len(chosen)) as threads:
        tallies = {}
        for number, one in enumerate(chosen, len(chosen) + 1):
            place = place_for(found, number, concurrency)
            tallies[one.name] = threads.submit(
                measure_kill, one.at(place, tools), f"{one.name}-killed", place, items
            )
        return {name: future.result() for name, future in tallies.items()}


def main() -> None:
    """Measure and write the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=3000)
    parser.add_argument("--concurrency", type=int, nargs="+", default=[100, 200, 400])
    parser.add_argument("--only", nargs="+", help="Names of the queues that take part.")
    parser.add_argument("--no-kill", action="store_true")
    parser.add_argument("--no-file", action="store_true", help="Print the section only.")
    asked = parser.parse_args()
    chosen = [one for one in CONTENDERS if not asked.only or one.name in asked.only]
    tools = TOOL_FOLDER.absolute()
    rates: dict[int, dict[str, Rate]] = {}
    kills: dict[str, Tally] = {}
    for concurrency in sorted(asked.concurrency):
        with infrastructure() as found:
            each = rates[concurrency] = {}
            for number, one in enumerate(chosen, 1):
                place = place_for(found, number, concurrency)
                each[one.name] = measure_rate(one.at(place, tools), one.name, place, asked.items)
                print(f"{one.name}, {concurrency} at a time: {each[one.name]}")
            if not kills and not asked.no_kill:
                kills = measure_kills(found, chosen, tools, concurrency, asked.items)
            words = (
                f"`make bench-queues`: {asked.items:,} items, one worker process of each. Kafka "
                f"{found.kafka.title}, {found.redis.title}; 2 cores shared by everything."
            )
    text = report(rates, kills, chosen, words)
    print(text)
    if not asked.no_file:
        write_section("queues", text)


if __name__ == "__main__":
    main()
