"""What a run hears from elsewhere comes back from the log as it was."""

from contracts.flow import FlowHeard
from flow_runner.domain.events import (
    AgentAssigned,
    DigitPressed,
    HungUp,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Started,
    TimerFired,
)
from flow_runner.domain.hearing import FromElsewhere, answer_of, event_of, heard_of
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

FROM_ELSEWHERE = st.one_of(
    st.from_type(TimerFired),
    st.from_type(PromptMade),
    st.from_type(QueueMissing),
    st.builds(QueueFound, queue_id=st.text(), name=st.text(), wait_limit_ms=st.integers(0)),
    st.from_type(AgentAssigned),
)


@given(FROM_ELSEWHERE, st.integers(-1))
def test_what_was_heard_comes_back_from_the_log(event: FromElsewhere, seen: int) -> None:
    heard = heard_of(event)
    assert heard is not None
    told = FlowHeard(attempt_id="a", campaign_id="c", seen=seen, heard=heard)
    back = TypeAdapter(FlowHeard).validate_json(told.model_dump_json())
    assert event_of(back.heard) == event


def test_a_text_that_could_not_be_spoken_comes_back_as_a_failed_playback() -> None:
    failed = PlaybackFinished("a-1", is_failed=True)
    assert event_of(answer_of(failed)) == failed


def test_what_the_call_tells_is_not_kept_twice() -> None:
    for event in (Started(), DigitPressed("1"), PlaybackFinished("a-1"), HungUp()):
        assert heard_of(event) is None
