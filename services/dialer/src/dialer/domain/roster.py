"""Who could take a call: agents, queues and queue loads, folded from their events."""

from dataclasses import dataclass, field

from contracts.queue import QueueLoadChanged
from contracts.resources import Agent, AgentStatus, Queue


@dataclass(slots=True)
class Roster:
    """The latest agent, queue and load of each id. Fed in order of each subject's sequence."""

    agents: dict[str, Agent] = field(default_factory=dict)
    queues: dict[str, Queue] = field(default_factory=dict)
    loads: dict[str, QueueLoadChanged] = field(default_factory=dict)

    def available_agents(self, queue_id: str) -> int:
        """Return how many agents could take a call of the queue now."""
        queue = self.queues.get(queue_id)
        if queue is None or queue.deleted_at:
            return 0
        engaged = {agent_id for load in self.loads.values() for agent_id in load.engaged}
        return sum(
            1
            for agent in self.agents.values()
            if agent.customer_id == queue.customer_id
            and agent.deleted_at is None
            and agent.status is AgentStatus.AVAILABLE
            and agent.id not in engaged
            and (not queue.tag_ids or set(queue.tag_ids) & set(agent.tag_ids))
        )

    def waiting(self, queue_id: str) -> int:
        """Return how many callers wait in the queue."""
        load = self.loads.get(queue_id)
        return len(load.waiting) if load else 0
