"""The log beside Redis: what goes on differing is named, what is only on its way is not."""

from campaignctl.comparing import GONE, compare_states, lasting

LIVE = "{dialing-0}:campaign:c:live"
TARGET = "{dialing-0}:target:t"


def test_values_are_compared_by_member_and_by_field() -> None:
    told = {LIVE: ["a", "b"], TARGET: {"status": "done", "name": "Ada"}, "{x}:only": "there"}
    held = {LIVE: ["b", "c"], TARGET: {"status": "idle", "name": "Ada"}}
    found = {one.key: one.parts for one in compare_states(told, held)}
    assert found == {
        LIVE: {"a": ("there", GONE), "c": (GONE, "there")},
        TARGET: {"status": ("done", "idle")},
        "{x}:only": {"all": ("there", GONE)},
    }


def test_an_empty_list_is_as_good_as_none() -> None:
    assert list(compare_states({LIVE: []}, {})) == []


def test_what_moves_on_between_two_looks_is_no_difference() -> None:
    first = list(compare_states({LIVE: ["a"], TARGET: "1"}, {LIVE: ["a", "b"], TARGET: "2"}))
    second = list(
        compare_states({LIVE: ["a", "b"], TARGET: "2"}, {LIVE: ["a", "b", "c"], TARGET: "3"})
    )
    assert lasting(first, second) == []


def test_what_stays_is_named_beside_what_moves_on_in_the_same_place() -> None:
    first = list(compare_states({LIVE: ["a"]}, {LIVE: ["a", "b", "stuck"]}))
    second = list(compare_states({LIVE: ["a", "b"]}, {LIVE: ["a", "b", "c", "stuck"]}))
    assert [one.parts for one in lasting(first, second)] == [{"stuck": (GONE, "there")}]
