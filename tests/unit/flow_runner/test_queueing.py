"""Queues: first come, first served; one agent, one party; everything may be said twice."""

from datetime import UTC, datetime, timedelta

from contracts.actions import Action
from contracts.resources import Address, Agent, AgentStatus, Flow, Queue
from flow_runner.domain.queueing import (
    WAITING_PROMPTS,
    Assignment,
    Lines,
    Roster,
    assign,
    changed_loads,
    join,
    leave,
    unreached,
)
from hypothesis import given
from hypothesis import strategies as st

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
SOON = NOON + timedelta(seconds=5)


def an_agent(id_: str, *tags: str, status: AgentStatus = AgentStatus.AVAILABLE) -> Agent:
    return Agent(
        id=id_,
        customer_id="c",
        created_at=NOON,
        username=id_,
        password_hash="",
        permission=16,
        status=status,
        tag_ids=tags,
        addresses=(
            Address(type="email", target="a@example.com"),
            Address(type="tel", target="+15550100001"),
        ),
    )


def a_queue(id_: str, *tags: str, wait_flow_id: str | None = None) -> Queue:
    return Queue(id=id_, customer_id="c", created_at=NOON, tag_ids=tags, wait_flow_id=wait_flow_id)


def a_roster(*agents: Agent, queues: tuple[Queue, ...] = (a_queue("q"),)) -> Roster:
    return Roster({one.id: one for one in agents}, {one.id: one for one in queues})


def standing(*attempts: str, queue_id: str = "q", lines: Lines | None = None) -> Lines:
    lines = lines or Lines(customer_id="c")
    for attempt_id in attempts:
        lines = join(lines, queue_id, attempt_id)
    return lines


def pairs(made: tuple[Assignment, ...]) -> list[tuple[str, str]]:
    return [(one.attempt_id, one.agent_id) for one in made]


def test_who_came_first_gets_the_agent() -> None:
    lines, made = assign(standing("first", "second"), a_roster(an_agent("g")), NOON)
    assert pairs(made) == [("first", "g")]
    assert lines.lines["q"].waiting == ("second",)
    assert lines.lines["q"].engaged == {"g": "first"}


def test_who_came_first_is_served_first_over_all_queues() -> None:
    """The queue that was used first does not come first: the party that waits longest does."""
    lines = leave(standing("old"), "old")  # q is known before r
    lines = standing("second", lines=standing("first", queue_id="r", lines=lines))
    roster = a_roster(an_agent("g"), queues=(a_queue("q"), a_queue("r")))
    assert pairs(assign(lines, roster, NOON)[1]) == [("first", "g")]


def test_an_agent_is_engaged_once_over_all_queues() -> None:
    roster = a_roster(an_agent("g"), queues=(a_queue("q"), a_queue("r")))
    lines, _ = assign(standing("one"), roster, NOON)
    _, made = assign(join(lines, "r", "two"), roster, NOON)
    assert made == ()


def test_tags_decide_who_may_take_a_call() -> None:
    roster = a_roster(an_agent("g", "french"), queues=(a_queue("q", "german"), a_queue("r")))
    assert assign(standing("one"), roster, NOON)[1] == ()
    assert pairs(assign(standing("one", queue_id="r"), roster, NOON)[1]) == [("one", "g")]


def test_one_without_an_agent_does_not_hold_up_another_queue() -> None:
    roster = a_roster(an_agent("g", "french"), queues=(a_queue("q", "german"), a_queue("r")))
    lines = join(standing("first"), "r", "second")
    assert pairs(assign(lines, roster, NOON)[1]) == [("second", "g")]


def test_only_who_declares_to_be_available_is_chosen() -> None:
    for status in set(AgentStatus) - {AgentStatus.AVAILABLE}:
        roster = a_roster(an_agent("g", status=status))
        assert assign(standing("one"), roster, NOON)[1] == ()


def test_an_agent_is_called_at_the_first_address_that_rings() -> None:
    (made,) = assign(standing("one"), a_roster(an_agent("g")), NOON)[1]
    assert made.address.type == "tel"
    nowhere = an_agent("g").model_copy(update={"addresses": ()})
    assert assign(standing("one"), a_roster(nowhere), NOON)[1] == ()


def test_an_agent_who_was_not_reached_rests_and_the_party_keeps_its_place() -> None:
    roster = a_roster(an_agent("g"))
    lines, (made,) = assign(standing("first", "second"), roster, NOON)
    lines = unreached(lines, "first", made.leg_id, SOON)
    assert lines.lines["q"].waiting == ("first", "second")
    lines, none = assign(lines, roster, NOON)
    assert none == ()
    _, (again,) = assign(lines, roster, SOON)
    assert again.attempt_id == "first"
    assert again.leg_id != made.leg_id, "a channel is never named twice"


def test_a_failure_that_is_told_late_frees_nobody() -> None:
    roster = a_roster(an_agent("g"))
    lines, (made,) = assign(standing("first"), roster, NOON)
    lines, _ = assign(unreached(lines, "first", made.leg_id, NOON), roster, NOON)
    assert unreached(lines, "first", made.leg_id, SOON) == lines


def test_who_leaves_frees_the_agent_for_the_next() -> None:
    roster = a_roster(an_agent("g"))
    lines, _ = assign(standing("first", "second"), roster, NOON)
    _, made = assign(leave(lines, "first"), roster, NOON)
    assert pairs(made) == [("second", "g")]


def test_who_joins_another_queue_has_left_the_first() -> None:
    lines = join(standing("one"), "r", "one")
    assert lines.lines["q"].waiting == ()
    assert lines.lines["r"].waiting == ("one",)


def test_every_load_that_changes_is_told_whole() -> None:
    before = standing("one")
    after, _ = assign(join(before, "r", "two"), a_roster(an_agent("g")), NOON)
    told = {load.queue_id: load for load in changed_loads(before, after)}
    assert told["q"].engaged == {"g": "one"}
    assert told["q"].waiting == ()
    assert told["r"].waiting == ("two",)
    assert changed_loads(after, after) == ()


def test_a_simple_flow_is_heard_while_waiting_and_no_other() -> None:
    def heard(*actions: Action) -> tuple[Action, ...]:
        flow = Flow(id="f", customer_id="c", created_at=NOON, actions=actions)
        queue = a_queue("q", wait_flow_id="f")
        return Roster({}, {"q": queue}, {"f": flow}).prompts(queue)

    music = Action(type="play", option={"stream_urls": ["u1", "u2"]})
    assert [one.option["stream_urls"] for one in heard(music)] == [["u1"], ["u2"]]
    assert heard(music, Action(type="hangup")) == WAITING_PROMPTS
    assert heard() == WAITING_PROMPTS


MOVES = st.lists(
    st.tuples(
        st.sampled_from(["join", "leave", "unreached", "assign"]),
        st.sampled_from("abcd"),
        st.sampled_from("qr"),
    ),
    max_size=30,
)


@given(MOVES)
def test_whatever_happens_each_party_and_each_agent_is_in_one_place(
    moves: list[tuple[str, str, str]],
) -> None:
    roster = a_roster(an_agent("g"), an_agent("h"), queues=(a_queue("q"), a_queue("r")))
    lines = Lines(customer_id="c")
    for verb, attempt_id, queue_id in moves:
        match verb:
            case "join":
                lines = join(lines, queue_id, attempt_id)
                assert join(lines, queue_id, attempt_id) == lines
            case "leave":
                lines = leave(lines, attempt_id)
                assert leave(lines, attempt_id) == lines
            case "unreached" if attempt_id in lines.assignments:
                leg_id = lines.assignments[attempt_id].leg_id
                lines = unreached(lines, attempt_id, leg_id, SOON)
            case _:
                lines, _ = assign(lines, roster, SOON)
                assert assign(lines, roster, SOON) == (lines, ())
        waiting = [id_ for line in lines.lines.values() for id_ in line.waiting]
        engaged = [pair for line in lines.lines.values() for pair in line.engaged.items()]
        everyone = [*waiting, *(id_ for _, id_ in engaged)]
        assert len(set(everyone)) == len(everyone)
        assert len({agent for agent, _ in engaged}) == len(engaged)
        assert dict(engaged) == {one.agent_id: id_ for id_, one in lines.assignments.items()}
        assert set(lines.tickets) == set(everyone)
        for line in lines.lines.values():
            assert list(line.waiting) == sorted(line.waiting, key=lines.tickets.__getitem__)
        assert Lines.model_validate_json(lines.model_dump_json()) == lines
