"""A flow run as Kafka tells it: wherever it was lost, the party hears the flow to its end."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from chassis.restoring import VERSIONS_AHEAD
from contracts.actions import Action
from contracts.base import Message
from contracts.call import (
    CallAnswered,
    CallBridge,
    CallBridged,
    CallDigitPressed,
    CallHungUp,
    CallUnbridged,
)
from contracts.envelope import Envelope, wrap
from contracts.flow import ActionFinished, ActionStarted, FlowFinished, FlowStarted, VariablesSet
from contracts.queue import QueueLoadChanged
from contracts.resources import Address
from flow_runner.domain.events import TimerFired
from flow_runner.domain.interpreter import step
from flow_runner.domain.pieces import HANG_UP, RESUME
from flow_runner.domain.queueing import Lines
from flow_runner.domain.runs import DIGITS, Run
from flow_runner.usecases.restoring import FlowsFold

AT = datetime(2026, 1, 15, 9, tzinfo=UTC)
ATTEMPT, CAMPAIGN, CUSTOMER = "attempt-1", "campaign-1", "customer-1"
QUEUE = "5d1f6f5c-0f6e-4a53-8d2b-3c0d6d1d7a01"
ACTIONS = (
    Action(id="a", type="talk", option={"text": "Hello."}),
    Action(id="b", type="digits_receive", option={"length": 4, "duration": 5000}),
    Action(id="c", type="queue_join", option={"queue_id": QUEUE}),
    Action(id="d", type="hangup", option={}),
)
OF = {"attempt_id": ATTEMPT, "campaign_id": CAMPAIGN}


class Story:
    """Messages of one attempt, each source with sequences of its own."""

    def __init__(self) -> None:
        self.messages: list[Envelope[Any]] = []
        self._clock = 0

    def tell(self, *bodies: Message, source: str = "flow-runner", subject: str = ATTEMPT) -> None:
        for body in bodies:
            self._clock += 1
            self.messages.append(
                wrap(
                    body,
                    source=source,
                    subject=subject,
                    sequence=self._clock * 256 if source == "flow-runner" else self._clock,
                    at=AT + timedelta(seconds=self._clock),
                    customer_id=CUSTOMER,
                )
            )

    def hear(self, *bodies: Message) -> None:
        self.tell(*bodies, source="dialer")

    def start(self, place: int) -> None:
        action = ACTIONS[place]
        self.tell(ActionStarted(**OF, action_id=action.id, action_type=action.type, position=place))

    def finish(self, place: int, how: str = "finished") -> None:
        action = ACTIONS[place]
        self.tell(
            ActionFinished(
                **OF, action_id=action.id, action_type=action.type, position=place, how=how
            )
        )


@pytest.fixture
def story() -> Story:
    story = Story()
    story.hear(CallAnswered(**OF, at=AT, actions=ACTIONS, variables={"name": "Ann"}))
    story.tell(FlowStarted(**OF))
    story.start(0)
    return story


def restored(messages: Sequence[Envelope[Any]]) -> tuple[Run | None, str, Lines | None]:
    """The run, the timer that wakes it, and the customer's queues."""
    fold = FlowsFold(now=AT)
    for message in messages:
        fold.take(message)
    run, timer, lines = None, "", None
    for command in fold.commands():
        match command:
            case ("SET", key, bytes(body)):
                version, _, what = body.split(b"|", 2)
                assert int(version) >= VERSIONS_AHEAD
                if ":run:" in str(key):
                    run = Run.model_validate_json(what)
                else:
                    lines = Lines.model_validate_json(what)
            case ("ZADD", _, _, name):
                timer = str(name).partition("|")[2]
            case _:
                pass
    return run, timer, lines


def test_a_party_hears_again_what_it_was_hearing(story: Story) -> None:
    run, timer, _ = restored(story.messages)
    assert run is not None
    assert (run.position, run.variables, timer) == (0, {"name": "Ann"}, RESUME)
    after, effects = step(run, TimerFired(timer))
    assert after.position == 0
    assert [type(effect).__name__ for effect in effects] == ["Say", "Say", "Speak"]


def test_an_action_that_was_over_is_not_begun_again(story: Story) -> None:
    story.finish(0)
    run, timer, _ = restored(story.messages)
    assert run is not None
    assert run.position == 1
    after, _ = step(run, TimerFired(timer))
    assert after.timer("digits").startswith("digits.")
    assert after.position == 1


def test_keys_that_were_pressed_are_not_pressed_again(story: Story) -> None:
    story.finish(0)
    story.start(1)
    story.hear(*(CallDigitPressed(**OF, at=AT, digit=digit) for digit in "12"))
    run, _, _ = restored(story.messages)
    assert run is not None
    assert run.variables[DIGITS] == "12"
    story.tell(VariablesSet(**OF, variables={DIGITS: "1234"}))
    run, _, _ = restored(story.messages)
    assert run is not None
    assert run.variables[DIGITS] == "1234"


def test_the_order_of_two_topics_does_not_matter(story: Story) -> None:
    story.finish(0)
    story.start(1)
    story.hear(CallDigitPressed(**OF, at=AT, digit="7"))
    heard = [one for one in story.messages if one.source == "dialer"]
    told = [one for one in story.messages if one.source != "dialer"]
    assert restored(heard + told) == restored(told + heard) == restored(story.messages)


def test_a_repeated_message_changes_nothing(story: Story) -> None:
    story.finish(0)
    story.start(1)
    doubled = [one for message in story.messages for one in (message, message)]
    assert restored(doubled) == restored(story.messages)


def test_a_run_that_is_over_is_not_restored(story: Story) -> None:
    story.tell(FlowFinished(**OF, how="completed", is_success=True))
    assert restored(story.messages)[0] is None
    random.Random(1).shuffle(story.messages)
    assert restored(story.messages)[0] is None


def test_a_run_whose_party_is_gone_comes_to_its_end(story: Story) -> None:
    story.hear(CallHungUp(**OF, at=AT, hangup_cause=16))
    run, timer, _ = restored(story.messages)
    assert run is not None
    assert timer == HANG_UP
    after, effects = step(run, TimerFired(timer))
    assert after.is_over
    assert any("FlowFinished" in repr(effect) for effect in effects)


def in_queue(story: Story) -> None:
    story.finish(0)
    story.start(2)
    waits = QueueLoadChanged(queue_id=QUEUE, customer_id=CUSTOMER, waiting=(ATTEMPT, "attempt-2"))
    story.tell(waits, subject=QUEUE)


def engage(story: Story) -> None:
    """An agent is engaged for the party, and called."""
    engaged = QueueLoadChanged(
        queue_id=QUEUE, customer_id=CUSTOMER, waiting=("attempt-2",), engaged={"agent-1": ATTEMPT}
    )
    story.tell(engaged, subject=QUEUE)
    address = Address(type="tel", target="+12125550100")
    leg = {"agent_id": "agent-1", "leg_id": f"{ATTEMPT}-agent-7"}
    story.tell(CallBridge(attempt_id=ATTEMPT, address=address, **leg))


def test_a_party_keeps_its_place_in_the_queue(story: Story) -> None:
    in_queue(story)
    run, timer, lines = restored(story.messages)
    assert run is not None
    assert lines is not None
    assert lines.lines[QUEUE].waiting == (ATTEMPT, "attempt-2")
    assert lines.tickets[ATTEMPT] < lines.tickets["attempt-2"] <= lines.last_ticket
    _, effects = step(run, TimerFired(timer))
    assert [type(effect).__name__ for effect in effects] == ["FindQueue"]


def test_an_agent_who_was_called_is_still_engaged(story: Story) -> None:
    in_queue(story)
    engage(story)
    _, _, lines = restored(story.messages)
    assert lines is not None
    assert lines.lines[QUEUE].engaged == {"agent-1": ATTEMPT}
    assert lines.assignments[ATTEMPT].leg_id == f"{ATTEMPT}-agent-7"
    assert lines.tries == 7, "no leg has a name that was used before"


def test_a_talk_with_an_agent_just_goes_on(story: Story) -> None:
    in_queue(story)
    engage(story)
    leg = {"agent_id": "agent-1", "leg_id": f"{ATTEMPT}-agent-7"}
    story.hear(CallBridged(**OF, at=AT, **leg))
    run, timer, _ = restored(story.messages)
    assert run is not None
    assert step(run, TimerFired(timer)) == (run, ())
    story.hear(CallUnbridged(**OF, at=AT, **leg))
    run, timer, _ = restored(story.messages)
    assert run is not None
    assert step(run, TimerFired(timer))[1] != ()


def test_an_agent_who_was_engaged_and_never_called_is_free(story: Story) -> None:
    in_queue(story)
    engage(story)
    told = [one for one in story.messages if not isinstance(one.body, CallBridge)]
    _, _, lines = restored(told)
    assert lines is not None
    assert lines.lines[QUEUE].waiting == (ATTEMPT, "attempt-2")
    assert lines.lines[QUEUE].engaged == {}
