"""The laws that all runs obey, whatever their actions and whatever happens."""

from contracts.actions import Action
from flow_runner.domain.events import (
    Bridged,
    BridgeFailed,
    DigitPressed,
    Event,
    HungUp,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Started,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.queueing import WAITING_PROMPTS
from flow_runner.domain.runs import LARGEST_COUNT, Run
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.flow_runner.stepping import a_run, act, assigned, timers, told, types

ACTIONS = st.lists(
    st.sampled_from(
        [
            act("talk", id_="t", text="x", digits_handle="next"),
            act("talk", text="${voipbin.call.digits}", is_async=True),
            act("play", stream_urls=["u1", "u2"]),
            act("sleep", id_="s", duration=10),
            act("goto", target_id="t", loop_count=3),
            act("branch", target_ids={"1": "t"}, default_target_id="s"),
            act("digits_receive", duration=10, length=2, key="#"),
            act("queue_join", queue_id="q"),
            act("hangup"),
            act("stop"),
            act("mute"),
        ]
    ),
    max_size=6,
)
IDS = st.sampled_from(["a-1", "a-2", "a-1+", "a-1-1", "a-2-1", "zz"])
LEGS = st.sampled_from(["a-agent-1", "a-agent-2"])
TIMERS = st.sampled_from(
    ["playback.a-1", "sleep.1", "sleep.2", "digits.1", "queue.1", "prompt.1.0", "prompt.1.1",
     "ring.a-agent-1", "nonsense"]
)  # fmt: skip
EVENTS = st.lists(
    st.one_of(
        st.just(Started()),
        st.builds(DigitPressed, st.sampled_from("1#")),
        st.builds(PlaybackFinished, IDS, st.booleans()),
        st.builds(TimerFired, TIMERS),
        st.builds(PromptMade, IDS, st.just("u"), st.just(0)),
        st.just(QueueFound("q", prompts=WAITING_PROMPTS)),
        st.just(QueueMissing("q")),
        st.builds(assigned, st.sampled_from([1, 2])),
        st.builds(Bridged, LEGS),
        st.builds(BridgeFailed, LEGS),
        st.builds(Unbridged, LEGS),
        st.just(HungUp()),
    ),
    max_size=25,
)
QUEUE = QueueFound("q", "sales", "", 1000, WAITING_PROMPTS)


@given(ACTIONS, EVENTS, st.booleans(), st.booleans())
def test_every_run_survives_every_story(
    actions: list[Action], events: list[Event], is_flow_only: bool, can_speak: bool
) -> None:
    """Total, deterministic, as data; it ends once, hangs up once, and stays within its limit."""
    run = a_run(*actions, is_flow_only=is_flow_only)
    everything: list[str] = []
    for event in (Started(), *events):
        after, effects = told(run, event, queue=QUEUE, can_speak=can_speak)
        assert (after, effects) == told(run, event, queue=QUEUE, can_speak=can_speak)
        assert Run.model_validate_json(after.model_dump_json()) == after
        assert after.is_over or after.waiting is not None, "it waits for something or is over"
        if run.is_over:
            assert (after, effects) == (run, [])
        everything += types(effects)
        run = after
    assert everything.count("call.hang_up") <= 1
    assert everything.count("flow.finished") == (1 if run.is_over else 0)
    assert everything.count("flow.started") == 1
    assert everything.count("flow.action_started") <= LARGEST_COUNT


@given(ACTIONS, EVENTS)
def test_an_event_that_comes_twice_plays_and_bridges_nothing_more(
    actions: list[Action], events: list[Event]
) -> None:
    """Keys are told apart by the sequence of their messages, all else by what it names."""
    run, _ = told(a_run(*actions), Started(), queue=QUEUE)
    for event in events:
        run, _ = told(run, event, queue=QUEUE)
        if not isinstance(event, DigitPressed):
            again, effects = told(run, event, queue=QUEUE)
            assert not types(effects)
            assert again == run


def test_every_waiting_run_has_a_timer_unless_it_talks_to_an_agent() -> None:
    for action in (
        act("talk", text="x"), act("play", stream_urls=["u"]), act("sleep", duration=1),
        act("digits_receive", duration=1), act("queue_join", queue_id="q"),
    ):  # fmt: skip
        _, effects = told(a_run(action), Started(), queue=QUEUE)
        assert timers(effects), action.type
