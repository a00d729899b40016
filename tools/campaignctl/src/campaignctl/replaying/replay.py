"""Messages through the services' own pure code: each decision is taken again, no effect is.

Messages come in the order in which they were published; what belongs together may still come apart,
so an attempt is replayed a moment after its last message. Memory holds what is open, not what was.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from contracts.base import Unrecognized
from contracts.envelope import Envelope
from contracts.target import Target, TargetStatus
from contracts.topics import (
    CALL_COMMANDS,
    CALL_EVENTS,
    CAMPAIGN_EVENTS,
    FLOW_COMMANDS,
    FLOW_EVENTS,
    TARGET_EVENTS,
)
from dialer.domain import retries
from pydantic import ValidationError

from campaignctl.log import LogRecord
from campaignctl.replaying.calls import replay_call
from campaignctl.replaying.campaigns import Campaigns
from campaignctl.replaying.decisions import Asked, Decision, Finding, Gap, Unknown
from campaignctl.replaying.flows import replay_flow
from campaignctl.replaying.stories import Story, TargetStep

TOPICS = (CAMPAIGN_EVENTS, TARGET_EVENTS, CALL_EVENTS, FLOW_COMMANDS, CALL_COMMANDS, FLOW_EVENTS)
APART_MS = 10_000
"""For how long messages of one story may come apart, or once more."""
LAST = frozenset({"call.settled", "flow.finished", "target.changed"})
"""What may come last of a story."""
EXAMPLES = 5
KEPT_DIFFERENCES = 1_000


class Replay:
    """A replay of a log.

    Attributes:
        messages: How many were taken.
        decisions: How many were taken again, by what was asked.
        gaps: What cannot be known, with a few examples each.
        differing: The decisions that differ, at most a thousand, in the order they were found.
    """

    def __init__(
        self,
        *,
        wants: Callable[[Decision], bool] = lambda _: True,
        on_decision: Callable[[Decision], None] = lambda _: None,
    ) -> None:
        """Replay from the beginning of a log.

        Args:
            wants: Which decisions are looked at; all are folded.
            on_decision: Told of each that is looked at.
        """
        self._wants, self._on_decision = wants, on_decision
        self._parse = {topic.name: topic.adapter().validate_json for topic in TOPICS}
        self._campaigns = Campaigns()
        self._targets: dict[str, tuple[int, Target]] = {}
        self._open: dict[str, Story] = {}
        self._of_target: dict[str, Story] = {}
        self._whole: deque[tuple[int, str]] = deque()
        self._closed: dict[str, None] = {}
        self._closed_at: deque[tuple[int, str]] = deque()
        self.messages = 0
        self.decisions: Counter[Asked] = Counter()
        self.gaps: dict[Gap, tuple[int, list[str]]] = {}
        self.differing: list[Decision] = []

    @property
    def first(self) -> Decision | None:
        """The first decision that differs, of what was replayed so far."""
        return min(self.differing, key=lambda one: one.at, default=None)

    def take(self, record: LogRecord) -> None:
        """Take the next record of the log."""
        parse = self._parse.get(record.topic)
        if parse is None or record.value is None:
            return
        self.messages += 1
        try:
            envelope = parse(record.value)
        except ValidationError:
            place = f"{record.topic}/{record.partition}/{record.offset}"
            self._note([Unknown(Gap.UNREADABLE, place)])
            return
        if isinstance(envelope.body, Unrecognized):
            self._note([Unknown(Gap.UNKNOWN_TYPE, envelope.type)])
            return
        if record.topic == CAMPAIGN_EVENTS.name:
            self._note(self._campaigns.take(envelope))
        elif record.topic == TARGET_EVENTS.name:
            self._note(self._target(envelope))
        elif (story := self._story(envelope.subject)) is not None:
            story.tell(envelope)
        self._close(envelope, record.timestamp_ms)

    def finish(self, *, is_cut: bool = False) -> None:
        """Replay what is open still, as far as it goes.

        Args:
            is_cut: The log may go on: what is missing at its end may only not be here yet.
        """
        for story in list(self._open.values()):
            story.is_ripe = not is_cut
            self._note(self._replay(story))
        self._open.clear()

    # ---- gathering

    def _story(self, attempt_id: str) -> Story | None:
        if attempt_id in self._closed:
            return None
        return self._open.setdefault(attempt_id, Story(attempt_id))

    def _target(self, envelope: Envelope[Any]) -> Iterator[Finding]:
        target: Target = envelope.body.target
        sequence, before = self._targets.get(target.target_id, (-1, None))
        if envelope.sequence <= sequence:
            return
        self._targets[target.target_id] = envelope.sequence, target
        if envelope.correlation_id != envelope.subject:
            story = self._story(envelope.correlation_id)
            if story is not None:
                story.targets.append(TargetStep(envelope, before))
                self._of_target[target.target_id] = story
        elif envelope.source == "dialer":
            yield from self._given_up(envelope, before)
        elif (story := self._of_target.get(target.target_id)) is not None:
            story.edits.append(target)

    def _given_up(self, envelope: Envelope[Any], before: Target | None) -> Iterator[Finding]:
        after: Target = envelope.body.target
        cause = envelope.causation_id or ""
        campaigns = self._campaigns.since(cause, cause.split("/")[1] if "/" in cause else "")
        if before is None or not campaigns or campaigns[0].outplan is None:
            yield Unknown(Gap.NO_TARGET if before is None else Gap.NO_CAMPAIGN, envelope.id)
            return
        left = retries.choose_destination(before, campaigns[0].outplan)
        decided = retries.exhausted(before, envelope.time) if left is None else None
        yield Decision(Asked.GIVING_UP, envelope, after, decided, before)

    def _close(self, envelope: Envelope[Any], now_ms: int) -> None:
        """Replay the stories whose last message is old enough; forget what cannot come again."""
        if envelope.type in LAST:
            story = self._open.get(envelope.correlation_id)
            if story is not None and not story.is_closing and story.is_whole:
                story.is_closing = True
                self._whole.append((now_ms, story.attempt_id))
        while self._whole and self._whole[0][0] < now_ms - APART_MS:
            story = self._open.pop(self._whole.popleft()[1])
            self._closed[story.attempt_id] = None
            self._closed_at.append((now_ms, story.attempt_id))
            story.is_ripe = True
            self._note(self._replay(story))
            self._forget(story)
        while self._closed_at and self._closed_at[0][0] < now_ms - APART_MS:
            self._closed.pop(self._closed_at.popleft()[1], None)

    def _forget(self, story: Story) -> None:
        target = story.targets[-1].message.body.target
        if self._of_target.get(target.target_id) is story:
            del self._of_target[target.target_id]
        latest = self._targets.get(target.target_id)
        if latest and latest[1].status is TargetStatus.DONE:
            del self._targets[target.target_id]

    # ---- judging

    def _replay(self, story: Story) -> Iterator[Finding]:
        for finding in (*replay_call(story, self._campaigns), *replay_flow(story)):
            if isinstance(finding, Decision) and finding.differs and story.is_torn:
                yield Unknown(Gap.LOST, finding.message.id)
            else:
                yield finding

    def _note(self, findings: Sequence[Finding] | Iterator[Finding]) -> None:
        for finding in findings:
            if isinstance(finding, Unknown):
                count, examples = self.gaps.setdefault(finding.gap, (0, []))
                if len(examples) < EXAMPLES:
                    examples.append(finding.subject)
                self.gaps[finding.gap] = count + 1, examples
            elif self._wants(finding):
                self.decisions[finding.asked] += 1
                self._on_decision(finding)
                if finding.differs and len(self.differing) < KEPT_DIFFERENCES:
                    self.differing.append(finding)
