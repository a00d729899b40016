"""Queues of one customer: who waits where, and which agent is engaged with whom.

Whoever has waited longest is served first, over all queues; an agent is engaged with one party at
a time, over all queues. Everything here may be said twice.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from contracts.actions import Action
from contracts.base import Value
from contracts.queue import QueueLoadChanged
from contracts.resources import Address, Agent, AgentStatus, Flow, Queue
from pydantic import AwareDatetime, Field

REACHABLE = frozenset({"tel", "sip"})
SIMPLE = frozenset({"talk", "play", "sleep"})
"""Actions that may be heard while waiting: they neither branch nor end the call."""
WAITING_PROMPTS = (
    Action(type="talk", option={"text": "All agents are busy. Please hold the line."}),
)


class Line(Value):
    """One queue: parties in order of arrival, and the party each engaged agent is with."""

    waiting: tuple[str, ...] = ()
    engaged: dict[str, str] = Field(default_factory=dict)


class Assignment(Value):
    """An agent who has been engaged for a party."""

    attempt_id: str
    queue_id: str
    agent_id: str
    leg_id: str
    address: Address


class Lines(Value):
    """All queues of a customer.

    Attributes:
        resting: Agents who could not be reached, and until when they are left alone.
        tickets: Number of each party who waits or talks, in order of arrival.
        assignments: The present agent of each party who has one.
        tries: Calls to agents so far; names the next.
    """

    customer_id: str
    lines: dict[str, Line] = Field(default_factory=dict)
    resting: dict[str, AwareDatetime] = Field(default_factory=dict)
    tickets: dict[str, int] = Field(default_factory=dict)
    assignments: dict[str, Assignment] = Field(default_factory=dict)
    last_ticket: int = 0
    tries: int = 0


@dataclass(slots=True)
class Roster:
    """The latest agent, queue and flow of each id."""

    agents: dict[str, Agent] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    flows: dict[str, Flow] = field(default_factory=dict)

    def queue(self, customer_id: str, queue_id: str) -> Queue | None:
        """Return a queue of a customer, or None."""
        queue = self.queues.get(queue_id)
        if queue is None or queue.deleted_at or queue.customer_id != customer_id:
            return None
        return queue

    def prompts(self, queue: Queue) -> tuple[Action, ...]:
        """Return what a party hears while waiting: the queue's own flow if it is simple."""
        flow = self.flows.get(queue.wait_flow_id) if queue.wait_flow_id else None
        if flow is None or flow.deleted_at or flow.customer_id != queue.customer_id:
            return WAITING_PROMPTS
        if not flow.actions or any(action.type not in SIMPLE for action in flow.actions):
            return WAITING_PROMPTS
        return tuple(one for action in flow.actions for one in _single(action))


def _single(action: Action) -> tuple[Action, ...]:
    """Return an action of several media as one for each."""
    urls = action.option.get("stream_urls")
    if action.type != "play" or not isinstance(urls, list):
        return (action,)
    return tuple(Action(type="play", option={"stream_urls": [url]}) for url in urls)


def join(lines: Lines, queue_id: str, attempt_id: str) -> Lines:
    """Return the lines with the party in one, unless it stands or talks there already."""
    line = lines.lines.get(queue_id, Line())
    if attempt_id in line.waiting or attempt_id in line.engaged.values():
        return lines
    lines = leave(lines, attempt_id)  # one queue at a time: it may have left another unheard
    ticket = lines.last_ticket + 1
    taken = lines.model_copy(
        update={"tickets": {**lines.tickets, attempt_id: ticket}, "last_ticket": ticket}
    )
    return _stand(taken, queue_id, attempt_id)


def _stand(lines: Lines, queue_id: str, attempt_id: str) -> Lines:
    line = lines.lines.get(queue_id, Line())
    waiting = sorted((*line.waiting, attempt_id), key=lambda id_: lines.tickets[id_])
    longer = line.model_copy(update={"waiting": tuple(waiting)})
    return lines.model_copy(update={"lines": {**lines.lines, queue_id: longer}})


def leave(lines: Lines, attempt_id: str) -> Lines:
    """Return the lines without the party, its agent free."""
    if attempt_id not in lines.tickets:
        return lines
    left = {
        queue_id: Line(
            waiting=tuple(id_ for id_ in line.waiting if id_ != attempt_id),
            engaged={agent: id_ for agent, id_ in line.engaged.items() if id_ != attempt_id},
        )
        for queue_id, line in lines.lines.items()
    }
    return lines.model_copy(
        update={
            "lines": left,
            "tickets": _without(lines.tickets, attempt_id),
            "assignments": _without(lines.assignments, attempt_id),
        }
    )


def _without(values: Mapping[str, object], name: str) -> dict[str, object]:
    return {key: value for key, value in values.items() if key != name}


def unreached(lines: Lines, attempt_id: str, leg_id: str, until: datetime) -> Lines:
    """Return the lines after a call to an agent came to nothing: the party waits in its old place.

    A call that is not the present one of the party changes nothing.
    """
    assignment = lines.assignments.get(attempt_id)
    if assignment is None or assignment.leg_id != leg_id:
        return lines
    ticket = lines.tickets[attempt_id]
    left = rest(leave(lines, attempt_id), assignment.agent_id, until)
    back = left.model_copy(update={"tickets": {**left.tickets, attempt_id: ticket}})
    return _stand(back, assignment.queue_id, attempt_id)


def rest(lines: Lines, agent_id: str, until: datetime) -> Lines:
    """Return the lines with an agent who is not chosen before an instant."""
    return lines.model_copy(update={"resting": {**lines.resting, agent_id: until}})


def assign(lines: Lines, roster: Roster, now: datetime) -> tuple[Lines, tuple[Assignment, ...]]:
    """Engage free agents for those who have waited longest; return the lines and who got whom."""
    rested = {agent: at for agent, at in lines.resting.items() if at > now}
    if rested != lines.resting:
        lines = lines.model_copy(update={"resting": rested})
    standing = [
        (lines.tickets[attempt_id], attempt_id, queue_id)
        for queue_id, line in lines.lines.items()
        for attempt_id in line.waiting
    ]
    if not standing:
        return lines, ()
    free = _free(lines, roster.agents.values())
    made: list[Assignment] = []
    for _, attempt_id, queue_id in sorted(standing):
        if not free:
            break
        chosen = _choose(roster.queue(lines.customer_id, queue_id), free)
        if chosen is not None:
            address = free.pop(chosen.id)[1]
            lines, assignment = _engage(lines, queue_id, attempt_id, chosen.id, address)
            made.append(assignment)
    return lines, tuple(made)


def _free(lines: Lines, agents: Iterable[Agent]) -> dict[str, tuple[Agent, Address]]:
    engaged = {assignment.agent_id for assignment in lines.assignments.values()}
    return {
        agent.id: (agent, address)
        for agent in agents
        if agent.customer_id == lines.customer_id
        and agent.deleted_at is None
        and agent.status is AgentStatus.AVAILABLE
        and agent.id not in engaged
        and agent.id not in lines.resting
        and (address := address_of(agent)) is not None
    }


def _choose(queue: Queue | None, free: Mapping[str, tuple[Agent, Address]]) -> Agent | None:
    if queue is None:
        return None
    wanted = set(queue.tag_ids)
    for agent, _ in free.values():
        if not wanted or not wanted.isdisjoint(agent.tag_ids):
            return agent
    return None


def address_of(agent: Agent) -> Address | None:
    """Return the first address of an agent that can be called."""
    for address in agent.addresses:
        if address.type in REACHABLE and address.target:
            return address
    return None


def _engage(
    lines: Lines, queue_id: str, attempt_id: str, agent_id: str, address: Address
) -> tuple[Lines, Assignment]:
    line = lines.lines[queue_id]
    tries = lines.tries + 1
    moved = Line(
        waiting=tuple(id_ for id_ in line.waiting if id_ != attempt_id),
        engaged={**line.engaged, agent_id: attempt_id},
    )
    assignment = Assignment(
        attempt_id=attempt_id,
        queue_id=queue_id,
        agent_id=agent_id,
        leg_id=f"{attempt_id}-agent-{tries}",
        address=address,
    )
    after = lines.model_copy(
        update={
            "lines": {**lines.lines, queue_id: moved},
            "assignments": {**lines.assignments, attempt_id: assignment},
            "tries": tries,
        }
    )
    return after, assignment


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
