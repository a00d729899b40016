"""Queues of waiting parties: one record per customer, changed and told in one step.

A run and its customer's lines are two records, committed one after the other. Every step here may
be repeated: joining twice is joining once, and a party whose run is over is taken out again by the
next look around.
"""

import asyncio
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from chassis.outbox import Change, Outbox, OutMessage, StaleWrite, Write
from contracts.envelope import wrap
from contracts.resources import Agent, Queue
from contracts.topics import QUEUE_EVENTS

from flow_runner.domain.events import AgentAssigned, JoinQueue, LeaveQueue
from flow_runner.domain.queueing import (
    Assignment,
    Lines,
    assign,
    changed_loads,
    join,
    leave,
    rest,
)
from flow_runner.domain.runs import Run
from flow_runner.usecases.flows import MESSAGES_PER_COMMIT, SOURCE, Flows

log = structlog.get_logger()

SHARD = "queues"
LOOK_AROUND_S = 5.0
CUSTOMERS = f"{{{SHARD}}}:customers"


def lines_key(customer_id: str) -> str:
    """Record of a customer's queues."""
    return f"{{{SHARD}}}:lines:{customer_id}"


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
        self.agents: dict[str, Agent] = {}
        self.queues: dict[str, Queue] = {}
        self._following: set[asyncio.Task[None]] = set()

    def wait_limit_ms(self, queue_id: str) -> int:
        """Return how long a party may wait in a queue; 0: for ever."""
        queue = self.queues.get(queue_id)
        return queue.wait_timeout_ms if queue else 0

    async def carry_out(self, run: Run, effect: JoinQueue | LeaveQueue) -> None:
        """Let a party join or leave, and engage whoever has become free."""

        def change(lines: Lines) -> Lines:
            match effect:
                case JoinQueue(queue_id=queue_id, is_first=is_first):
                    return join(lines, queue_id, run.attempt_id, is_first=is_first)
                case LeaveQueue(failed_agent_id=agent_id):
                    left = leave(lines, run.attempt_id)
                    until = self._now() + self._agent_rest
                    return rest(left, agent_id, until) if agent_id else left

        await self._update(run.customer_id, change)

    async def on_roster(self, customer_id: str) -> None:
        """Agents or queues of a customer have changed: someone may have become free."""
        await self._update(customer_id, lambda lines: lines)

    async def look_around(self) -> None:
        """Now and then: free what ended runs have left engaged, and engage who has rested."""
        while True:
            await asyncio.sleep(LOOK_AROUND_S)
            for member in await self._outbox.redis.smembers(CUSTOMERS):
                customer_id = member.decode() if isinstance(member, bytes) else str(member)
                record = await self._outbox.read(lines_key(customer_id))
                if record:
                    await self._tidy(Lines.model_validate_json(record.body))

    async def _tidy(self, lines: Lines) -> None:
        present = {
            attempt_id
            for line in lines.lines.values()
            for attempt_id in (*line.waiting, *line.engaged.values())
        }
        gone = [id_ for id_ in present if await self._flows.is_over(id_)]
        if gone or any(line.waiting for line in lines.lines.values()):

            def without(lines: Lines) -> Lines:
                for attempt_id in gone:
                    lines = leave(lines, attempt_id)
                return lines

            await self._update(lines.customer_id, without)

    async def _update(self, customer_id: str, change: Callable[[Lines], Lines]) -> None:
        key = lines_key(customer_id)
        while True:
            record = await self._outbox.read(key)
            before = (
                Lines.model_validate_json(record.body) if record else Lines(customer_id=customer_id)
            )
            after, made = assign(change(before), self.queues, self.agents.values(), self._now())
            if after == before:
                return
            try:
                await self._outbox.commit(
                    self._change(record.version if record else 0, before, after)
                )
            except StaleWrite:
                continue
            for assignment in made:
                task = asyncio.create_task(self._tell(assignment))
                self._following.add(task)
                task.add_done_callback(self._following.discard)
            return

    async def _tell(self, assignment: Assignment) -> None:
        event = AgentAssigned(assignment.agent_id, assignment.leg_id, assignment.address)
        await self._flows.on_event(assignment.attempt_id, event, -1, "queue")

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
