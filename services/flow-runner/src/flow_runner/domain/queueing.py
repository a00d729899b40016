"""Queues of one customer: who waits where, and which agent is engaged with whom.

First come, first served; an agent is engaged with one party at a time, over all queues.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from contracts.base import Value
from contracts.queue import QueueLoadChanged
from contracts.resources import Address, Agent, AgentStatus, Queue
from pydantic import AwareDatetime, Field


class Line(Value):
    """One queue: parties in order of arrival, and the party each engaged agent is with."""

    waiting: tuple[str, ...] = ()
    engaged: dict[str, str] = Field(default_factory=dict)


class Lines(Value):
    """All queues of a customer, and agents who rest after they did not answer."""

    customer_id: str
    lines: dict[str, Line] = Field(default_factory=dict)
    resting: dict[str, AwareDatetime] = Field(default_factory=dict)
    tries: int = 0


@dataclass(frozen=True, slots=True)
class Assignment:
    """An agent who has been engaged for a party."""

    attempt_id: str
    agent_id: str
    leg_id: str
    address: Address


def join(lines: Lines, queue_id: str, attempt_id: str, *, is_first: bool = False) -> Lines:
    """Return the lines with the party in one, unless it stands or talks there already."""
    line = lines.lines.get(queue_id, Line())
    if attempt_id in line.waiting or attempt_id in line.engaged.values():
        return lines
    waiting = (attempt_id, *line.waiting) if is_first else (*line.waiting, attempt_id)
    longer = line.model_copy(update={"waiting": waiting})
    return lines.model_copy(update={"lines": {**lines.lines, queue_id: longer}})


def leave(lines: Lines, attempt_id: str) -> Lines:
    """Return the lines without the party, its agent free."""
    left = {
        queue_id: Line(
            waiting=tuple(id_ for id_ in line.waiting if id_ != attempt_id),
            engaged={agent: id_ for agent, id_ in line.engaged.items() if id_ != attempt_id},
        )
        for queue_id, line in lines.lines.items()
    }
    return lines if left == lines.lines else lines.model_copy(update={"lines": left})


def rest(lines: Lines, agent_id: str, until: datetime) -> Lines:
    """Return the lines with an agent who is not chosen before an instant."""
    return lines.model_copy(update={"resting": {**lines.resting, agent_id: until}})


def assign(
    lines: Lines, queues: dict[str, Queue], agents: Iterable[Agent], now: datetime
) -> tuple[Lines, tuple[Assignment, ...]]:
    """Engage free agents for those who have waited longest; return the lines and who got whom."""
    made: list[Assignment] = []
    lines = lines.model_copy(
        update={"resting": {agent: at for agent, at in lines.resting.items() if at > now}}
    )
    engaged = {agent for line in lines.lines.values() for agent in line.engaged}
    free = [
        agent
        for agent in agents
        if agent.customer_id == lines.customer_id
        and agent.deleted_at is None
        and agent.status is AgentStatus.AVAILABLE
        and agent.id not in engaged
        and agent.id not in lines.resting
        and agent.addresses
    ]
    for queue_id, line in lines.lines.items():
        queue = queues.get(queue_id)
        if queue is None or not line.waiting:
            continue
        able = [
            agent for agent in free if not queue.tag_ids or set(queue.tag_ids) & set(agent.tag_ids)
        ]
        for attempt_id, agent in zip(line.waiting, able, strict=False):
            lines, assignment = _engage(lines, queue_id, attempt_id, agent)
            free.remove(agent)
            made.append(assignment)
    return lines, tuple(made)


def _engage(lines: Lines, queue_id: str, attempt_id: str, agent: Agent) -> tuple[Lines, Assignment]:
    line = lines.lines[queue_id]
    tries = lines.tries + 1
    moved = Line(
        waiting=tuple(id_ for id_ in line.waiting if id_ != attempt_id),
        engaged={**line.engaged, agent.id: attempt_id},
    )
    after = lines.model_copy(update={"lines": {**lines.lines, queue_id: moved}, "tries": tries})
    return after, Assignment(
        attempt_id=attempt_id,
        agent_id=agent.id,
        leg_id=f"{attempt_id}-agent-{tries}",
        address=agent.addresses[0],
    )


def changed_loads(before: Lines, after: Lines) -> tuple[QueueLoadChanged, ...]:
    """Return the loads that differ, to be told."""
    return tuple(
        QueueLoadChanged(
            queue_id=queue_id,
            customer_id=after.customer_id,
            waiting=line.waiting,
            engaged=line.engaged,
        )
        for queue_id, line in after.lines.items()
        if before.lines.get(queue_id, Line()) != line
    )
