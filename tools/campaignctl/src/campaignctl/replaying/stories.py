"""The messages of one attempt, gathered while the log is read, whatever the order of its topics."""

from bisect import insort
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from contracts.call import CallAnswered, CallDialing, CallSettled
from contracts.envelope import Envelope
from contracts.flow import FlowFinished, FlowStart
from contracts.target import Target
from flow_runner.usecases.flows import MESSAGES_PER_COMMIT as MESSAGES_PER_STEP
from target_queue.queue import MESSAGES_PER_COMMIT


class TargetStep(NamedTuple):
    """A message of a target, and the target as it was before; None: nobody knows."""

    message: Envelope[Any]
    before: Target | None


@dataclass(slots=True)
class Story:
    """One attempt.

    Attributes:
        call: What the dialer has told, by sequence; the start of a flow without a call included.
        flow: What its flow run has told and asked for, by sequence.
        targets: What became of its target: as the attempt begins, and as it ends.
        edits: The target as others have changed it meanwhile.
        is_closing: It is whole, and about to be replayed.
        is_ripe: Nothing more comes of it.
    """

    attempt_id: str
    call: list[Envelope[Any]] = field(default_factory=list)
    flow: list[Envelope[Any]] = field(default_factory=list)
    targets: list[TargetStep] = field(default_factory=list)
    edits: list[Target] = field(default_factory=list)
    is_closing: bool = False
    is_ripe: bool = False

    def tell(self, envelope: Envelope[Any]) -> None:
        """Take a message of the dialer or of the flow run; one that repeats changes nothing."""
        told = self.flow if envelope.source == "flow-runner" else self.call
        if not told or told[-1].sequence < envelope.sequence:
            told.append(envelope)
        elif all(one.sequence != envelope.sequence for one in reversed(told)):
            insort(told, envelope, key=lambda one: one.sequence)

    @property
    def is_torn(self) -> bool:
        """Whether a message is here and one that was told with it, before it, is not."""
        is_late = bool(self.flow) and self.flow[0].sequence >= 2 * MESSAGES_PER_STEP
        return (
            is_late
            or _is_torn(self.call, MESSAGES_PER_COMMIT)
            or _is_torn(self.flow, MESSAGES_PER_STEP)
        )

    def lacks(self, message_id: str | None) -> bool:
        """Whether a message of the call is named as a cause, and is not here."""
        is_named = message_id is not None and message_id.startswith("dialer/")
        return is_named and all(one.id != message_id for one in self.call)

    @property
    def beginning(self) -> CallDialing | None:
        """The intent, if the log has it."""
        first = self.call[0].body if self.call else None
        return first if isinstance(first, CallDialing) else None

    @property
    def start(self) -> Envelope[Any] | None:
        """The message that began its flow."""
        return next((m for m in self.call if isinstance(m.body, CallAnswered | FlowStart)), None)

    @property
    def is_settled(self) -> bool:
        """Whether the attempt has its outcome."""
        return any(isinstance(one.body, CallSettled) for one in self.call)

    @property
    def is_flow_over(self) -> bool:
        """Whether its flow has ended."""
        return any(isinstance(one.body, FlowFinished) for one in self.flow)

    @property
    def is_whole(self) -> bool:
        """Whether all has been told that there is to tell."""
        return (
            self.is_settled and len(self.targets) > 1 and (self.start is None or self.is_flow_over)
        )


def _is_torn(told: list[Envelope[Any]], per_commit: int) -> bool:
    before = -1
    for message in told:
        if message.sequence % per_commit and message.sequence != before + 1:
            return True
        before = message.sequence
    return False
