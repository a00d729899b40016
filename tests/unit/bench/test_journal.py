"""What the journals of the items say about the queue that carried them."""

from bench.queues.journal import Mark, in_flight, read, tally


def lines(*words: str) -> list[str]:
    return [f"{word} {at}.0\n" for at, word in enumerate(words, 1)]


CALM = read(lines("began 0", "ended 0", "began 1", "ended 1"))
CUT = read(lines("began 0", "ended 0", "began 1"))
NOTHING = read([])


def test_items_that_began_and_ended_once_are_in_no_count() -> None:
    done = tally(2, CUT, CALM, {0: Mark.DONE, 1: Mark.DONE}, held=0)
    assert (done.lost, done.repeated, done.stranded, done.ambiguous) == (0, 0, 0, 0)


def test_what_was_in_flight_at_the_kill_tells_whether_the_kill_was_a_test() -> None:
    assert tally(2, CUT, CALM, {}, held=0).in_flight == 1
    assert tally(2, CALM, CALM, {}, held=0).in_flight == 0


def test_an_item_that_nobody_knows_of_any_more_is_lost() -> None:
    assert tally(3, CUT, CALM, {}, held=0).lost == 1


def test_an_item_whose_record_says_running_is_stranded_and_not_lost() -> None:
    cut = tally(2, CUT, CUT, {1: Mark.RUNNING}, held=0)
    assert (cut.lost, cut.stranded) == (0, 1)


def test_an_item_that_the_queue_still_holds_is_stranded_and_not_lost() -> None:
    cut = tally(3, CUT, CUT, {1: Mark.RUNNING}, held=2)
    assert (cut.lost, cut.stranded) == (0, 2)


def test_a_queue_that_holds_acknowledged_items_does_not_strand_those_that_ended() -> None:
    assert tally(2, CUT, CALM, {}, held=5).stranded == 0


def test_an_item_that_began_again_is_repeated_once_however_often_it_did() -> None:
    again = read(lines("began 0", "began 0", "began 0", "ended 0"))
    assert tally(1, CUT, again, {}, held=0).repeated == 1


def test_an_ambiguous_item_is_in_a_column_of_its_own() -> None:
    cut = tally(2, CUT, CUT, {1: Mark.AMBIGUOUS}, held=0)
    assert (cut.lost, cut.stranded, cut.ambiguous) == (0, 0, 1)


def test_an_end_that_is_recorded_counts_though_the_kill_came_before_its_line() -> None:
    cut = tally(2, CUT, CUT, {0: Mark.DONE, 1: Mark.DONE}, held=0)
    assert (cut.lost, cut.stranded) == (0, 0)


def test_a_line_that_a_kill_has_cut_short_is_skipped() -> None:
    assert read(["began 0 1.0\n", "ended 0 1"]).ended == {}


def test_the_time_runs_from_the_first_line_to_the_last() -> None:
    assert CALM.seconds == 3.0
    assert NOTHING.seconds == 0.0
    assert in_flight(NOTHING) == 0
