"""The load of a queue: who waits in it and which agents it has engaged, whole after each change."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from contracts.base import (
    AgentId,
    AttemptId,
    CustomerId,
    Message,
    QueueId,
    Unrecognized,
    known_among,
)


class QueueLoadChanged(Message):
    """Callers in order of arrival, and the attempt that each engaged agent is in."""

    type: Literal["queue.load_changed"] = "queue.load_changed"
    queue_id: QueueId
    customer_id: CustomerId
    waiting: tuple[AttemptId, ...] = ()
    engaged: dict[AgentId, AttemptId] = Field(default_factory=dict)


QueueEvent = Annotated[
    Annotated[QueueLoadChanged, Tag("known")] | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(QueueLoadChanged)),
]
