"""Queues of waiting parties: one record per customer, changed and told in one step.

A run and its customer's lines are two records, committed one after the other. Every step here may
be repeated: joining twice is joining once, a party who has an agent is told so again, and one whose
run stands there no longer is taken out by the next look around.
"""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import structlog
from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from contracts.envelope import wrap
from contracts.topics import QUEUE_EVENTS

from flow_runner.domain.events import (
    AgentAssigned,
    JoinQueue,
    LeaveQueue,
    QueueFound,
    QueueMissing,
)
from flow_runner.domain.queueing import (
    Assignment,
    Lines,
    Roster,
    assign,
    changed_loads,
    join,
    leave,
    rest,
    unreached,
)
from flow_runner.domain.runs import ForAgent, Run
from flow_runner.metrics import ENGAGED, WAITING
from flow_runner.usecases.flows import MESSAGES_PER_COMMIT, SOURCE, Flows

log = structlog.get_logger()

SHARD = "queues"
LOOK_AROUND_S = 5.0
CUSTOMERS = f"{{{SHARD}}}:customers"


def lines_key(customer_id: str) -> str:
    """Record of a customer's queues."""
    return f"{{{SHARD}}}:lines:{customer_id}"


async def _nothing_to_catch_up() -> None:
    pass


class QueueLines:
    """Who waits and who is engaged, for all customers."""

    def __init__(
        self,
        *,
        outbox: Outbox,
        flows: Flows,
        now: Callable[[], datetime],
        agent_rest: timedelta,
    ) -> None:
        self._outbox = outbox
        self._flows = flows
        self._now = now
        self._agent_rest = agent_rest
        self._catch_up: Callable[[], Awaitable[None]] = _nothing_to_catch_up
        self.roster = Roster()
        self.roster_known = asyncio.Event()
        self._turns: dict[str, asyncio.Lock] = {}

    def catch_up_with(self, catch_up: Callable[[], Awaitable[None]]) -> None:
        """Say what returns once the roster holds all that has been told so far."""
        self._catch_up = catch_up

    async def find_queue(self, run: Run, queue_id: str) -> QueueFound | QueueMissing:
        """Return what a party must know of a queue, once the roster is known."""
        await self.roster_known.wait()
        queue = self.roster.queue(run.customer_id, queue_id)
        if queue is None:  # it may be so new that the copy has not heard of it
            await self._catch_up()
            queue = self.roster.queue(run.customer_id, queue_id)
        if queue is None:
            log.warning("queue is not there", attempt_id=run.attempt_id, queue_id=queue_id)
            return QueueMissing(queue_id)
        return QueueFound(
            queue_id=queue_id,
            name=queue.name,
            detail=queue.detail,
            wait_limit_ms=queue.wait_timeout_ms,
            prompts=self.roster.prompts(queue),
        )

    async def carry_out(self, run: Run, effect: JoinQueue | LeaveQueue) -> None:
        """Let a party join or leave, and engage whoever has become free."""
        attempt_id, until = run.attempt_id, self._now() + self._agent_rest

        def change(lines: Lines) -> Lines:
            match effect:
                case JoinQueue(queue_id=queue_id, failed_leg_id=leg_id):
                    return join(unreached(lines, attempt_id, leg_id, until), queue_id, attempt_id)
                case LeaveQueue(failed_agent_id=agent_id):
                    left = leave(lines, attempt_id)
                    return rest(left, agent_id, until) if agent_id else left

        again = attempt_id if isinstance(effect, JoinQueue) else ""
        await self._update(run.customer_id, change, tell_again=again)

    async def on_roster(self, customer_id: str) -> None:
        """Agents or queues of a customer have changed: someone may have become free."""
        if self.roster_known.is_set():
            await self._update(customer_id, lambda lines: lines)

    async def look_around(self) -> None:
        """At once and now and then: free what nobody needs, engage who has rested, tell again."""
        await self.roster_known.wait()
        while True:
            waiting, engaged = 0, 0
            for member in await self._outbox.redis.smembers(CUSTOMERS):
                customer_id = member.decode() if isinstance(member, bytes) else str(member)
                for line in (await self.tidy(customer_id)).lines.values():
                    waiting, engaged = waiting + len(line.waiting), engaged + len(line.engaged)
            WAITING.set(waiting)
            ENGAGED.set(engaged)
            await asyncio.sleep(LOOK_AROUND_S)

    async def tidy(self, customer_id: str) -> Lines:
        """Hold a customer's lines against the runs: a crash may have come between the two.

        Returns:
            The lines as they were before.
        """
        record = await self._outbox.read(lines_key(customer_id))
        if record is None:
            return Lines(customer_id=customer_id)
        lines = Lines.model_validate_json(record.body)
        for queue_id, line in lines.lines.items():
            for attempt_id in (*line.waiting, *line.engaged.values()):
                await self._hold(lines, attempt_id, queue_id)
        if lines.resting or any(line.waiting for line in lines.lines.values()):
            await self._update(customer_id, lambda lines: lines)
        return lines

    async def _hold(self, lines: Lines, attempt_id: str, queue_id: str) -> None:
        run = await self._flows.stored(attempt_id)
        if not stands_in(run, queue_id):
            await self._update(lines.customer_id, lambda now: leave(now, attempt_id))
            return
        assignment = lines.assignments.get(attempt_id)
        if assignment is not None:
            await self._tell(lines.customer_id, assignment)

    async def _update(
        self, customer_id: str, change: Callable[[Lines], Lines], *, tell_again: str = ""
    ) -> None:
        """Change the lines and engage who is free; tell the parties who got someone.

        `tell_again` names one to be told of an agent it has had for longer: it may not know.
        """
        async with self._turns.setdefault(customer_id, asyncio.Lock()):
            lines, made = await self._commit(customer_id, change)
        standing = lines.assignments.get(tell_again)
        if standing is not None and standing not in made:
            made = (*made, standing)
        for assignment in made:
            await self._tell(customer_id, assignment)

    async def _commit(
        self, customer_id: str, change: Callable[[Lines], Lines]
    ) -> tuple[Lines, tuple[Assignment, ...]]:
        key = lines_key(customer_id)
        while True:
            record = await self._outbox.read(key)
            before = (
                Lines.model_validate_json(record.body) if record else Lines(customer_id=customer_id)
            )
            after, made = assign(change(before), self.roster, self._now())
            if after == before:
                return after, ()
            version = record.version if record else 0
            try:
                await self._outbox.commit(self._change(version, before, after))
            except StaleWrite:
                continue
            return after, made

    async def _tell(self, customer_id: str, assignment: Assignment) -> None:
        event = AgentAssigned(assignment.agent_id, assignment.leg_id, assignment.address)
        attempt_id = assignment.attempt_id
        run = await self._flows.on_event(attempt_id, event, -1, "queue")
        if not stands_in(run, assignment.queue_id):
            await self._update(customer_id, lambda lines: leave(lines, attempt_id))

    def _change(self, version: int, before: Lines, after: Lines) -> Change:
        at = self._now()
        messages = []
        for index, load in enumerate(changed_loads(before, after)):
            envelope = wrap(
                load,
                source=SOURCE,
                subject=load.queue_id,
                sequence=(version + 1) * MESSAGES_PER_COMMIT + index,
                at=at,
                customer_id=after.customer_id,
            )
            messages.append(OutMessage.of(QUEUE_EVENTS, envelope))
        return Change(
            shard=SHARD,
            operation=uuid.uuid4().hex[:12],
            writes=(
                Write(lines_key(after.customer_id), version, after.model_dump_json().encode()),
            ),
            also=(("SADD", CUSTOMERS, after.customer_id),),
            messages=tuple(messages),
        )


def stands_in(run: Run | None, queue_id: str) -> bool:
    """Whether a run waits in a queue or talks to one of its agents."""
    return (
        run is not None
        and isinstance(run.waiting, ForAgent)
        and run.waiting.is_found
        and run.waiting.queue_id == queue_id
    )
