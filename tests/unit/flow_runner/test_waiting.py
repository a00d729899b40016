"""A run in a queue: it waits, is given an agent, and loses one."""

from contracts.call import CallBridge, CallPlay
from flow_runner.domain.events import (
    Bridged,
    BridgeFailed,
    CancelTimer,
    HungUp,
    JoinQueue,
    LeaveQueue,
    PlaybackFinished,
    QueueFound,
    Started,
    TimerFired,
    Unbridged,
)
from flow_runner.domain.queueing import WAITING_PROMPTS
from flow_runner.domain.waiting import PROMPT_PAUSE_MS

from tests.unit.flow_runner.stepping import (
    a_run,
    act,
    assigned,
    begun,
    hows,
    only,
    queued,
    timers,
    told,
    types,
)


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
