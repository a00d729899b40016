"""The steps of one flow run, taken again from what the log says it heard."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contracts.base import Message
from contracts.call import CallAnswered
from contracts.envelope import Envelope
from contracts.flow import FlowHeard, FlowStart, TimerHeard
from flow_runner.domain.events import Event, FindQueue, Say, Speak, Started
from flow_runner.domain.hearing import event_of, event_of_call
from flow_runner.domain.interpreter import step
from flow_runner.domain.pieces import HANG_UP, RESUME
from flow_runner.domain.runs import Run, run_of
from flow_runner.usecases.restoring import restored_run

from campaignctl.replaying.decisions import Asked, Decision, Finding, Gap, Unknown
from campaignctl.replaying.stories import Story

AFTER_A_REBUILD = frozenset({RESUME, HANG_UP})


@dataclass(slots=True)
class _Heard:
    """Something that a run has heard, and the message that tells it."""

    event: Event
    message: Envelope[Any]
    seen: int


class _Replaying:
    """One run while its steps are taken again; the log's messages are read as they are due."""

    def __init__(self, story: Story, run: Run) -> None:
        self.run = run
        self._story = story
        self._call = [_Heard(event, message, message.sequence) for event, message in _inputs(story)]
        self._next = 0

    @property
    def _due(self) -> Envelope[Any] | None:
        """The message of the run that the log has next."""
        return self._story.flow[self._next] if self._next < len(self._story.flow) else None

    def steps(self) -> Iterator[Finding]:
        """Yield what each step says, beside what the log has."""
        while heard := self._hear():
            before = self.run
            for finding in self._step(heard):
                yield self._known(finding)
                if isinstance(finding, Unknown) or finding.differs:
                    return
            self.run = self.run.model_copy(update={"seen": max(before.seen, heard.seen)})
        if (extra := self._due) is not None:
            yield self._known(Decision(Asked.STEP, extra, extra.body, None, self.run))

    def _known(self, finding: Finding) -> Finding:
        """Return a finding; one that differs because a message is lost is not known."""
        if isinstance(finding, Unknown) or not finding.differs:
            return finding
        is_lost = self._story.lacks(finding.message.causation_id)
        return Unknown(Gap.LOST, finding.message.id) if is_lost else finding

    def _hear(self) -> _Heard | None:
        """Return what the run heard next: from elsewhere, if the log says that it came first."""
        due = self._due
        if due is not None and isinstance(due.body, FlowHeard):
            told = due.body
            if isinstance(told.heard, TimerHeard) and told.heard.timer in AFTER_A_REBUILD:
                self._restore(due)
            if not self._call or self._call[0].seen > told.seen:
                self._next += 1
                return _Heard(event_of(told.heard), due, told.seen)
        return self._call.pop(0) if self._call else None

    def _restore(self, due: Envelope[Any]) -> None:
        """Have the run as a rebuild has made it of what had been told by then, heard or not."""
        self._call = [heard for heard in self._call if heard.seen > due.body.seen]
        told = [m for m in self._story.call if m.sequence <= due.body.seen]
        told += [m for m in self._story.flow if m.sequence < due.sequence]
        self.run = restored_run(told) or self.run

    def _step(self, heard: _Heard) -> Iterator[Finding]:
        """Take one step and all that its questions lead to; end where the log does."""
        if self.run.is_over:
            return
        before = self.run
        self.run, effects = step(before, heard.event)
        open_ = list(effects)
        while open_:
            match open_.pop(0):
                case Say(message=message):
                    said = self._said(message, heard, before)
                    if said is None:
                        return
                    yield said
                case Speak() | FindQueue():
                    answer = self._answer()
                    if answer is None:
                        if self._due is not None or self._story.is_ripe:
                            yield Unknown(Gap.NOT_HEARD, heard.message.id)
                        return
                    self.run, more = step(self.run, answer)
                    open_ = [*more, *open_]
                case _:
                    continue  # timers and places in queues are told by what they lead to

    def _said(self, message: Message, heard: _Heard, before: Run) -> Decision | None:
        """Return what the code says beside what the log has next; None if the log ends there."""
        logged = self._due
        if logged is not None:
            self._next += 1
            return Decision(Asked.STEP, logged, logged.body, message, before)
        if self._story.is_flow_over and self._story.is_ripe:
            return Decision(Asked.STEP, heard.message, None, message, before)
        return None

    def _answer(self) -> Event | None:
        """Return what the log says was answered to a question."""
        due = self._due
        if due is None or not isinstance(due.body, FlowHeard):
            return None
        self._next += 1
        return event_of(due.body.heard)


def replay_flow(story: Story) -> Iterator[Finding]:
    """Yield the steps of an attempt's flow as far as its story goes, in their order."""
    start = story.start
    if start is None:
        if story.flow:
            yield Unknown(Gap.NO_START, story.attempt_id)
        return
    body: CallAnswered | FlowStart = start.body
    yield from _Replaying(story, run_of(body, start.customer_id)).steps()


def _inputs(story: Story) -> Iterator[tuple[Event, Envelope[Message]]]:
    """Yield what the run has heard of its call."""
    has_started = False
    for message in story.call:
        if isinstance(message.body, CallAnswered | FlowStart):
            has_started = True
            yield Started(), message
        elif has_started and (event := event_of_call(message.body)) is not None:
            yield event, message
