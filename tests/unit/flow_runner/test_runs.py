"""What each action does, what each event makes of a run, and the laws all runs obey."""

from typing import Any

import pytest
from contracts.actions import Action
from contracts.base import Message
from contracts.call import CallBridge, CallHangUp, CallPlay, CallStopPlayback
from contracts.flow import FlowFinished, VariablesSet
from contracts.resources import Address
from flow_runner.domain.events import (
    AgentAssigned,
    Bridged,
    BridgeFailed,
    CancelTimer,
    DigitPressed,
    Effect,
    Event,
    FindQueue,
    HungUp,
    JoinQueue,
    LeaveQueue,
    PlaybackFinished,
    PromptMade,
    QueueFound,
    QueueMissing,
    Say,
    SetTimer,
    Speak,
    Started,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.interpreter import step
from flow_runner.domain.queueing import WAITING_PROMPTS
from flow_runner.domain.runs import DIGITS, LARGEST_COUNT, ForPlayback, Run
from flow_runner.domain.waiting import PROMPT_PAUSE_MS
from hypothesis import given
from hypothesis import strategies as st

TEL = Address(type="tel", target="+15550100099")


def act(type_: str, *, id_: str = "", next_id: str = "", **option: Any) -> Action:
    return Action(type=type_, id=id_, next_id=next_id, option=option)


def a_run(*actions: Action, **fields: Any) -> Run:
    return Run(attempt_id="a", campaign_id="k", customer_id="c", actions=actions, **fields)


def told(
    run: Run, event: Event, *, queue: QueueFound | None = None, can_speak: bool = True
) -> tuple[Run, list[Effect]]:
    """Take a step and answer its questions, as the use case does."""
    run, effects = step(run, event)
    open_ = list(effects)
    done: list[Effect] = []
    while open_:
        effect = open_.pop(0)
        match effect:
            case Speak(playback_id=id_) if can_speak:
                run, more = step(run, PromptMade(id_, f"http://m/{effect.text}", 2000))
            case Speak(playback_id=id_):
                run, more = step(run, PlaybackFinished(id_, is_failed=True))
            case FindQueue(queue_id=id_):
                run, more = step(run, queue or QueueMissing(id_))
            case _:
                done.append(effect)
                continue
        open_ = [*more, *open_]
    return run, done


def begun(*actions: Action, **fields: Any) -> tuple[Run, list[Effect]]:
    return told(a_run(*actions, **fields), Started())


def queued(*after: Action, wait_limit_ms: int = 0) -> Run:
    """A run that waits in queue q."""
    queue = QueueFound("q", "sales", "", wait_limit_ms, WAITING_PROMPTS)
    run, _ = told(a_run(act("queue_join", queue_id="q"), *after), Started(), queue=queue)
    return run


def assigned(number: int = 1) -> AgentAssigned:
    return AgentAssigned(f"agent{number}", f"a-agent-{number}", TEL)


def said(effects: list[Effect]) -> list[Message]:
    return [effect.message for effect in effects if isinstance(effect, Say)]


def types(effects: list[Effect]) -> list[str]:
    return [message.type for message in said(effects)]


def only(effects: list[Effect], kind: type[Any]) -> Any:
    """The one message or effect of a kind."""
    found = [one for one in (*said(effects), *effects) if isinstance(one, kind)]
    assert len(found) == 1, f"{len(found)} {kind.__name__} in {effects}"
    return found[0]


def timers(effects: list[Effect]) -> dict[str, int]:
    return {one.timer: one.after_ms for one in effects if isinstance(one, SetTimer)}


def hows(effects: list[Effect]) -> list[str]:
    return [message.how for message in said(effects) if message.type == "flow.action_finished"]  # type: ignore[attr-defined]  # the type says so


# ---- talk, play


def test_whoever_answers_hears_the_first_prompt() -> None:
    run, effects = begun(act("talk", text="hello"))
    assert types(effects) == ["flow.started", "flow.action_started", "call.play"]
    assert only(effects, CallPlay).media_url == "http://m/hello"
    assert not run.is_over


def test_the_end_of_the_last_prompt_hangs_the_call_up() -> None:
    run, effects = begun(act("talk", text="hello"))
    run, effects = told(run, PlaybackFinished("a-1"))
    assert types(effects) == ["flow.action_finished", "flow.finished", "call.hang_up"]
    assert only(effects, FlowFinished).is_success
    assert run.is_over


def test_a_prompt_may_take_its_duration_and_a_margin() -> None:
    run, effects = begun(act("talk", text="hello"), act("sleep", duration=1))
    assert timers(effects) == {"playback.a-1": 12_000}
    run, effects = told(run, TimerFired("playback.a-1"))
    assert only(effects, CallStopPlayback).playback_id == "a-1"
    assert hows(effects) == ["timeout"]
    assert run.position == 1


def test_a_text_that_cannot_be_spoken_fails_its_action_and_not_the_run() -> None:
    run, effects = told(
        a_run(act("talk", text="x"), act("sleep", duration=5)), Started(), can_speak=False
    )
    assert hows(effects) == ["failed"]
    assert run.position == 1


def test_a_key_skips_a_prompt_that_lets_itself_be_skipped() -> None:
    run, _ = begun(act("talk", text="x", digits_handle="next"), act("sleep", duration=5))
    run, effects = told(run, DigitPressed("1"))
    assert only(effects, CallStopPlayback).playback_id == "a-1"
    assert hows(effects) == ["interrupted"]
    assert run.digits == "1"


def test_a_key_does_not_skip_another_prompt_and_is_kept() -> None:
    run, _ = begun(act("talk", text="x"))
    run, effects = told(run, DigitPressed("1"))
    assert effects == []
    assert run.digits == "1"


def test_an_asynchronous_prompt_is_not_waited_for() -> None:
    run, effects = begun(act("talk", text="x", is_async=True), act("sleep", duration=9000))
    assert only(effects, CallPlay).playback_id == "a-1"
    assert timers(effects) == {"sleep.2": 9000}
    assert told(run, PlaybackFinished("a-1")) == (run, [])


def test_media_are_played_one_after_the_other() -> None:
    run, effects = begun(act("play", stream_urls=["u1", "u2"]))
    heard = [only(effects, CallPlay).media_url]
    run, effects = told(run, PlaybackFinished("a-1"))
    heard.append(only(effects, CallPlay).media_url)
    assert CancelTimer("playback.a-1") in effects
    assert told(run, PlaybackFinished("a-1")) == (run, []), "told twice"
    run, _ = told(run, PlaybackFinished("a-1+"))
    assert heard == ["u1", "u2"]
    assert run.is_over


def test_a_playback_that_is_not_awaited_changes_nothing() -> None:
    run, _ = begun(act("talk", text="x"))
    assert told(run, PlaybackFinished("other")) == (run, [])


# ---- sleep, goto, branch, digits


def test_a_timer_that_fires_twice_ends_one_sleep() -> None:
    run, _ = begun(act("sleep", duration=1000), act("sleep", duration=60_000))
    run, _ = told(run, TimerFired("sleep.1"))
    assert told(run, TimerFired("sleep.1")) == (run, [])
    assert run.position == 1


def test_goto_jumps_as_often_as_it_may() -> None:
    run, effects = begun(
        act("talk", id_="menu", text="x"), act("goto", target_id="menu", loop_count=2)
    )
    plays = 1
    while not run.is_over:
        assert isinstance(run.waiting, ForPlayback)
        run, effects = told(run, PlaybackFinished(run.waiting.playback_id))
        plays += "call.play" in types(effects)
    assert plays == 3


def test_branch_follows_the_digits_and_empties_them() -> None:
    run, effects = begun(
        act("branch", target_ids={"1": "one"}, default_target_id="other"),
        act("sleep", id_="other", duration=1),
        act("sleep", id_="one", duration=2),
        variables={DIGITS: "1"},
    )
    assert run.position == 2
    assert run.digits == ""
    assert only(effects, VariablesSet).variables == {DIGITS: ""}


def test_branch_takes_the_default_when_no_value_fits() -> None:
    run, _ = begun(
        act("branch", target_ids={"1": "one"}, default_target_id="other"),
        act("sleep", id_="one", duration=2),
        act("sleep", id_="other", duration=1),
    )
    assert run.position == 2


def test_next_id_wins_over_the_order_of_the_list() -> None:
    run, _ = begun(
        act("answer", next_id="last"),
        act("sleep", duration=1),
        act("sleep", id_="last", duration=1),
    )
    assert run.position == 2


def test_digits_are_gathered_up_to_their_number() -> None:
    run, effects = begun(act("digits_receive", duration=5000, length=2), act("sleep", duration=1))
    assert timers(effects) == {"digits.1": 5000}
    run, _ = told(run, DigitPressed("4"))
    run, effects = told(run, DigitPressed("2"))
    assert only(effects, VariablesSet).variables == {DIGITS: "42"}
    assert CancelTimer("digits.1") in effects
    assert run.position == 1


def test_an_end_key_ends_the_gathering_and_is_not_kept() -> None:
    run, _ = begun(act("digits_receive", duration=5000, key="#"), act("sleep", duration=1))
    run, _ = told(run, DigitPressed("7"))
    run, effects = told(run, DigitPressed("#"))
    assert run.digits == "7"
    assert hows(effects) == ["finished"]


def test_gathering_has_a_time_limit() -> None:
    run, _ = begun(act("digits_receive", duration=5000, length=4), act("sleep", duration=1))
    run, _ = told(run, DigitPressed("7"))
    run, effects = told(run, TimerFired("digits.1"))
    assert hows(effects) == ["timeout"]
    assert run.digits == "7"


def test_a_key_pressed_over_the_menu_counts() -> None:
    run, _ = begun(
        act("talk", text="press one", digits_handle="next"),
        act("digits_receive", duration=5000, length=1),
        act("branch", target_ids={"1": "one"}),
        act("hangup"),
        act("sleep", id_="one", duration=9),
    )
    run, _ = told(run, DigitPressed("1"))
    assert run.position == 4


def test_variables_are_put_into_what_is_said() -> None:
    _, effects = begun(
        act("talk", text="Hello ${target.name}${nobody}!"), variables={"target.name": "Ada"}
    )
    assert only(effects, CallPlay).media_url == "http://m/Hello Ada!"


# ---- ends and limits


def test_hang_up_gives_the_cause_of_its_reason() -> None:
    _, effects = begun(act("hangup", reason="busy"), act("talk", text="never"))
    assert only(effects, CallHangUp).hangup_cause == 17


@pytest.mark.parametrize(
    "bad", [act("sleep", duration="soon"), act("play"), act("mute"), act("goto", loop_count=1)]
)
def test_an_action_that_cannot_be_read_fails_and_the_run_goes_on(bad: Action) -> None:
    run, effects = begun(bad, act("sleep", duration=1))
    assert hows(effects) == ["failed"]
    assert run.position == 1


def test_a_run_that_never_waits_fails_at_its_limit() -> None:
    run, effects = begun(act("goto", id_="here", target_id="here", loop_count=10**6))
    assert types(effects).count("flow.action_started") == LARGEST_COUNT
    assert only(effects, FlowFinished).how == "failed"
    assert only(effects, CallHangUp)
    assert run.is_over


def test_without_a_call_media_are_skipped_and_nothing_is_hung_up() -> None:
    media = [
        act("talk", text="x"), act("play", stream_urls=["u"]), act("sleep", duration=1),
        act("digits_receive", duration=1), act("queue_join", queue_id="q"), act("hangup"),
    ]  # fmt: skip
    run, effects = begun(*media, is_flow_only=True)
    assert hows(effects) == ["skipped"] * len(media)
    assert not [one for one in types(effects) if one.startswith("call.")]
    assert only(effects, FlowFinished).is_success
    assert run.is_over


def test_the_end_of_the_call_ends_the_run_and_its_timers() -> None:
    run, _ = begun(act("sleep", duration=5))
    run, effects = told(run, HungUp())
    assert types(effects) == ["flow.action_finished", "flow.finished"]
    assert CancelTimer("sleep.1") in effects
    assert told(run, HungUp()) == (run, [])


# ---- the queue


def test_the_party_asks_for_an_agent_before_it_hears_anything() -> None:
    queue = QueueFound("q", "sales", "", 60_000, WAITING_PROMPTS)
    run, effects = told(a_run(act("queue_join", queue_id="q")), Started(), queue=queue)
    assert JoinQueue("q") in effects
    assert "call.play" not in types(effects)
    assert timers(effects) == {"prompt.1.0": 400, "queue.1": 60_000}
    assert run.variables["voipbin.queue.name"] == "sales"


def test_a_queue_that_is_not_there_fails_the_action() -> None:
    run, effects = begun(act("queue_join", queue_id="q"), act("sleep", duration=1))
    assert hows(effects) == ["failed"]
    assert run.position == 1


def test_whoever_waits_hears_so_again_and_again() -> None:
    run, effects = told(queued(), TimerFired("prompt.1.0"))
    first = only(effects, CallPlay).playback_id
    assert JoinQueue("q") in effects, "the place is kept"
    run, effects = told(run, PlaybackFinished(first))
    assert timers(effects) == {"prompt.1.1": PROMPT_PAUSE_MS}
    run, effects = told(run, TimerFired("prompt.1.1"))
    assert only(effects, CallPlay).playback_id != first


def test_silence_does_not_spin_when_nothing_can_be_spoken() -> None:
    _, effects = told(queued(), TimerFired("prompt.1.0"), can_speak=False)
    assert timers(effects) == {"prompt.1.1": PROMPT_PAUSE_MS}


def test_an_agent_interrupts_the_prompt_and_is_called() -> None:
    run, _ = told(queued(), TimerFired("prompt.1.0"))
    _, effects = told(run, assigned())
    assert types(effects) == ["call.stop_playback", "call.bridge"]
    assert only(effects, CallBridge).leg_id == "a-agent-1"


def test_an_agent_told_twice_is_called_once() -> None:
    run, _ = told(queued(), assigned())
    assert told(run, assigned()) == (run, [])


def test_when_the_agent_leaves_the_flow_goes_on() -> None:
    run, _ = told(queued(act("sleep", duration=1)), assigned())
    run, _ = told(run, Bridged("a-agent-1"))
    run, effects = told(run, Unbridged("a-agent-1"))
    assert LeaveQueue() in effects
    assert run.position == 1


def test_an_agent_who_cannot_be_reached_is_named_and_another_asked_for() -> None:
    run, _ = told(queued(), assigned())
    run, effects = told(run, BridgeFailed("a-agent-1"))
    assert JoinQueue("q", failed_leg_id="a-agent-1") in effects
    run, effects = told(run, assigned(1))
    assert types(effects) == [], "a call that came to nothing is not made again"
    assert JoinQueue("q", failed_leg_id="a-agent-1") in effects
    run, effects = told(run, assigned(2))
    assert only(effects, CallBridge).agent_id == "agent2"


def test_a_call_to_an_agent_that_nobody_tells_of_has_a_limit() -> None:
    run, effects = told(queued(), assigned())
    assert "ring.a-agent-1" in timers(effects)
    _, effects = told(run, TimerFired("ring.a-agent-1"))
    assert JoinQueue("q", failed_leg_id="a-agent-1") in effects


def test_whoever_has_waited_long_enough_goes_on() -> None:
    run, effects = told(queued(act("sleep", duration=1), wait_limit_ms=9000), TimerFired("queue.1"))
    assert hows(effects) == ["timeout"]
    assert LeaveQueue() in effects
    assert run.position == 1


def test_the_wait_limit_is_remembered_while_an_agent_is_called() -> None:
    run, _ = told(queued(act("sleep", duration=1), wait_limit_ms=9000), assigned())
    run, _ = told(run, TimerFired("queue.1"))
    assert run.position == 0
    run, effects = told(run, BridgeFailed("a-agent-1"))
    assert hows(effects) == ["timeout"]
    assert run.position == 1


def test_talking_to_an_agent_has_no_wait_limit() -> None:
    run, _ = told(queued(wait_limit_ms=9000), assigned())
    run, effects = told(run, Bridged("a-agent-1"))
    assert CancelTimer("queue.1") in effects
    assert told(run, TimerFired("queue.1")) == (run, [])


def test_who_hangs_up_in_the_queue_leaves_it() -> None:
    for run in (queued(), told(queued(), assigned())[0]):
        _, effects = told(run, HungUp())
        assert LeaveQueue() in effects


# ---- laws

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
