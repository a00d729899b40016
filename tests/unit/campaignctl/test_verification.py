"""The oracles: a campaign that kept every promise is clean, and each broken promise is found."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from campaignctl.verification import Ledgers, Promise, Word, verify
from campaignctl.verification.ledgers import (
    History,
    Listing,
    Log,
    Origination,
    Settlement,
    Shown,
    Standing,
    Story,
    Version,
)
from contracts.call import Outcome
from contracts.campaign import (
    AmbiguousHandle,
    CallingHours,
    Campaign,
    CampaignLimits,
    CampaignStatus,
    StatusCause,
    Weekday,
)
from contracts.resources import Address, Outplan
from contracts.target import TargetOutcome, TargetStatus

AT = datetime(2026, 1, 15, 15, tzinfo=UTC)  # a Thursday, ten in the morning in New York
CUSTOMER, CAMPAIGN, OUTDIAL = "customer-1", "campaign-1", "outdial-1"
ANN, BOB = "+12125550100", "+12125550101"
OUTPLAN = Outplan(
    id="outplan-1",
    customer_id=CUSTOMER,
    created_at=AT,
    try_interval_ms=60_000,
    max_attempts=(2, 0, 0, 0, 0),
)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


def a_campaign(status: CampaignStatus, run: int = 1, **more: Any) -> Campaign:
    return Campaign(
        campaign_id=CAMPAIGN,
        customer_id=CUSTOMER,
        outdial_id=OUTDIAL,
        status=status,
        run_number=run,
        outplan=more.pop("outplan", OUTPLAN),
        limits=more.pop("limits", CampaignLimits(max_concurrent_calls=2, calls_per_second=2)),
        created_at=after(-60),
        **more,
    )


def a_history(**more: Any) -> History:
    """Created a minute before, started at 0, stopped after 1000 seconds since all was done."""
    states = (
        (-60, CampaignStatus.STOP, 0, None),
        (0, CampaignStatus.RUN, 1, StatusCause.REQUESTED),
        (1000, CampaignStatus.STOP, 1, StatusCause.EXHAUSTED),
    )
    return History(
        CAMPAIGN,
        tuple(
            Version(16 * n, after(s), after(s + 0.01), a_campaign(status, run, **more), cause)
            for n, (s, status, run, cause) in enumerate(states, 1)
        ),
        {1: after(1000)},
    )


def a_story(target: str, number: int, at: float, address: str = ANN, **more: Any) -> Story:
    """Attempt `target/number`: intended at an instant, up to three seconds later it has ended."""
    outcome = more.pop("outcome", Outcome.BUSY)
    settled = Settlement(outcome, outcome is Outcome.ANSWERED, after(at + 3))
    return Story(
        attempt_id=f"{target}/{number}",
        campaign_id=CAMPAIGN,
        customer_id=CUSTOMER,
        run_number=1,
        target_id=target,
        address=address,
        attempt_number=number,
        created_at=after(at),
        intended_at=after(at + 0.01),
        hung_up_at=more.pop("hung_up_at", after(at + 3)),
        settlements=more.pop("settlements", (settled,)),
        **more,
    )


def a_standing(target: str, count: int, **more: Any) -> Standing:
    return Standing(
        target_id=target,
        outdial_id=OUTDIAL,
        status=more.pop("status", TargetStatus.DONE),
        outcome=TargetOutcome.EXHAUSTED,
        counts={0: count},
        addresses=(ANN,),
        created_at=after(-50),
        is_deleted=False,
        **more,
    )


STORIES = (
    a_story("ann", 1, 1),
    a_story("bob", 1, 1.2, BOB),
    a_story("ann", 2, 70, outcome=Outcome.ANSWERED),
    a_story("bob", 2, 70.5, BOB),
)


def a_ring(story: Story, delay: float = 0.1) -> Origination:
    assert story.created_at is not None
    at = story.created_at + timedelta(seconds=delay)
    return Origination(story.attempt_id, story.address, at, at)


def ledgers(
    *stories: Story,
    history: History | None = None,
    rings: tuple[Origination, ...] | None = None,
    **log: Any,
) -> Ledgers:
    stories = stories or STORIES
    known = history or a_history()
    told = Log(
        stories={story.attempt_id: story for story in stories},
        histories={CAMPAIGN: known},
        targets=log.pop("targets", {id_: a_standing(id_, 2) for id_ in ("ann", "bob")}),
        **log,
    )
    rung = rings if rings is not None else tuple(map(a_ring, stories))
    shown = Shown(
        asked_at=after(2000),
        calls={story.attempt_id: "done" for story in stories},
        targets={id_: (one.status.value, one.counts) for id_, one in told.targets.items()},
    )
    return Ledgers(
        log=told,
        originations=sorted(rung, key=lambda one: one.at),
        answers={CAMPAIGN: shown},
    )


def found(witnesses: Ledgers) -> set[str]:
    """The promises that are violated."""
    return {one.promise for one in verify(witnesses).violations}


def test_a_campaign_that_kept_every_promise_is_clean() -> None:
    verdicts = verify(ledgers())
    assert str(verdicts) == "ok"
    assert verdicts.is_ok
    assert {verdicts.of(promise) for promise in Promise} == {Word.OK}


def test_an_attempt_that_rang_twice_is_found() -> None:
    first = a_ring(STORIES[0])
    witnesses = ledgers(
        rings=(*map(a_ring, STORIES), replace(first, at=after(900), until=after(900)))
    )
    assert "P1" in found(witnesses)


def test_an_attempt_that_was_made_twice_under_two_names_is_found() -> None:
    twin = replace(STORIES[0], attempt_id="twin", created_at=after(300), intended_at=after(300))
    assert "P1" in found(ledgers(*STORIES, twin))


def test_an_attempt_that_was_ambiguous_may_be_dialed_again_where_the_campaign_says_so() -> None:
    lost = a_story("ann", 1, 1, outcome=Outcome.AMBIGUOUS)
    again = replace(a_story("ann", 1, 70), attempt_id="again")
    redial = a_history(ambiguous_handle=AmbiguousHandle.REDIAL)
    assert found(ledgers(lost, again)) == {"P1"}
    assert found(ledgers(lost, again, history=redial)) == set()


def test_two_calls_of_one_number_at_a_time_are_found() -> None:
    twin = a_story("carl", 1, 2)
    witnesses = ledgers(*STORIES, twin)
    assert "a number had two calls at a time" in str(verify(witnesses))


def test_a_call_of_which_nobody_knows_the_end_leaves_a_doubt() -> None:
    lost = a_story("ann", 1, 1, hung_up_at=None)
    verdicts = verify(ledgers(lost, *STORIES[1:]))
    assert verdicts.of(Promise.P6) is Word.CANNOT_SAY
    assert "nobody knows when" in str(verdicts)


def test_more_attempts_than_the_outplan_allows_are_found() -> None:
    assert "P2" in found(ledgers(*STORIES, a_story("ann", 3, 200)))


def test_an_attempt_before_its_interval_is_found() -> None:
    early = a_story("ann", 2, 30)
    assert found(ledgers(STORIES[0], early)) == {"P2"}


def test_an_attempt_that_was_settled_twice_is_found() -> None:
    settled = STORIES[0].settlements[0]
    twice = replace(STORIES[0], settlements=(settled, replace(settled, at=after(9))))
    assert found(ledgers(twice, *STORIES[1:])) == {"P2"}


def test_an_attempt_that_is_open_after_the_stop_is_found() -> None:
    open_ = replace(STORIES[0], settlements=())
    assert "P2" in found(ledgers(open_, *STORIES[1:]))


@pytest.mark.parametrize("status", [TargetStatus.PROGRESSING, TargetStatus.IDLE])
def test_a_target_that_was_lost_is_found(status: TargetStatus) -> None:
    targets = {"ann": a_standing("ann", 2), "bob": a_standing("bob", 2, status=status)}
    assert found(ledgers(targets=targets)) == {"P2"}


def test_a_ring_after_the_stop_is_found_and_one_within_a_second_is_not() -> None:
    late = a_ring(STORIES[3], 929.4)
    assert "P3" not in found(ledgers(rings=(*map(a_ring, STORIES[:3]), late)))
    late = a_ring(STORIES[3], 931.0)
    assert "P3" in found(ledgers(rings=(*map(a_ring, STORIES[:3]), late)))


def test_a_ring_without_an_intent_is_found() -> None:
    stranger = Origination("stranger", ANN, after(500), after(500))
    assert found(ledgers(rings=(*map(a_ring, STORIES), stranger))) == {"P5"}


def test_a_call_to_an_agent_is_no_stranger() -> None:
    leg = Origination("ann/2-agent-1", BOB, after(71), after(71))
    rings = (*map(a_ring, STORIES), leg)
    assert found(ledgers(rings=rings, legs=frozenset({leg.channel_id}))) == set()


def test_a_ring_before_its_intent_is_found() -> None:
    unready = replace(STORIES[0], intended_at=after(2))
    assert found(ledgers(unready, *STORIES[1:])) == {"P5"}


def test_a_ring_of_another_number_than_was_intended_is_found() -> None:
    wrong = replace(a_ring(STORIES[0]), number="+12125550177")
    assert found(ledgers(rings=(wrong, *map(a_ring, STORIES[1:])))) == {"P5"}


def test_a_stranger_at_one_of_our_numbers_is_found_whoever_else_uses_the_gateway() -> None:
    rings = tuple(map(a_ring, STORIES))
    ours = Origination("stranger", ANN, after(500), after(500))
    theirs = replace(ours, number="+12125550177")
    shared = replace(ledgers(rings=(*rings, theirs)), is_shared=True)
    assert found(shared) == set()
    assert found(replace(shared, originations=(*rings, ours))) == {"P5"}
    asked = replace(ledgers(rings=(*rings, ours)), campaign_ids=(CAMPAIGN,))
    assert found(asked) == {"P5"}


def test_an_attempt_after_a_success_is_found() -> None:
    answered = a_story("ann", 1, 1, outcome=Outcome.ANSWERED)
    assert "was a success" in str(verify(ledgers(answered, *STORIES[1:])))


def test_two_attempts_of_a_target_that_are_open_at_once_are_found() -> None:
    late = replace(STORIES[0].settlements[0], at=after(71))
    verdicts = verify(ledgers(replace(STORIES[0], settlements=(late,)), *STORIES[1:]))
    assert "ann/2 was made while attempt ann/1 was open" in str(verdicts)


def test_an_outcome_of_a_call_that_never_was_is_found() -> None:
    assert found(ledgers(rings=tuple(map(a_ring, STORIES[1:])))) == {"P5"}


def test_a_ring_of_an_attempt_that_was_withdrawn_is_found() -> None:
    withdrawn = a_story("ann", 1, 1, outcome=Outcome.CANCELLED, hung_up_at=None)
    assert "P5" in found(ledgers(withdrawn, *STORIES[1:]))


def test_a_gap_in_the_log_is_a_doubt_and_no_verdict() -> None:
    verdicts = verify(ledgers(gaps=("call.events/0 begins at offset 7",)))
    assert verdicts.of(Promise.P5) is Word.CANNOT_SAY


def test_too_many_calls_in_a_rolling_second_are_found() -> None:
    third = a_story("carl", 1, 1.9, "+12125550102")
    assert "3 calls in a rolling second, 2 allowed" in str(verify(ledgers(*STORIES, third)))
    third = a_story("carl", 1, 4.5, "+12125550102")
    assert found(ledgers(*STORIES, third)) == set()


def test_too_many_calls_of_a_caller_id_are_found() -> None:
    outplan = OUTPLAN.model_copy(
        update={"source": Address(type="tel", target="+1800"), "source_calls_per_second": 1}
    )
    assert "calls of one caller id" in str(verify(ledgers(history=a_history(outplan=outplan))))


def test_too_many_calls_at_once_are_found() -> None:
    third = a_story("carl", 1, 3.5, "+12125550102")
    assert "3 calls at once, 2 allowed" in str(verify(ledgers(*STORIES, third)))


def test_a_call_outside_the_hours_is_found() -> None:
    hours = CallingHours(days=tuple(Weekday), opens_minute=0, closes_minute=600)
    history = a_history(calling_hours=(hours,), calling_zone="America/New_York")
    assert "outside the calling hours" in str(verify(ledgers(history=history)))
    hours = CallingHours(days=tuple(Weekday), opens_minute=0, closes_minute=660)
    history = a_history(calling_hours=(hours,), calling_zone="America/New_York")
    assert found(ledgers(history=history)) == set()


def test_a_call_to_a_number_on_a_list_is_found() -> None:
    listed = (Listing(16, after(10), True),)
    assert "do-not-call" in str(verify(ledgers(listings={(CUSTOMER, ANN): listed})))
    removed = (*listed, Listing(32, after(20), False))
    assert found(ledgers(listings={(CUSTOMER, ANN): removed})) == set()


def test_too_many_attempts_at_a_number_in_a_day_are_found() -> None:
    limits = CampaignLimits(max_concurrent_calls=2, calls_per_second=2, attempts_per_number_day=1)
    assert "attempts at its number" in str(verify(ledgers(history=a_history(limits=limits))))


def test_what_the_api_shows_and_kafka_does_not_know_is_found() -> None:
    witnesses = ledgers()
    assert witnesses.answers is not None
    shown = witnesses.answers[CAMPAIGN]
    more = replace(shown, calls={**shown.calls, "unheard of": "done"})
    assert found(replace(witnesses, answers={CAMPAIGN: more})) == {"P7"}
    stale = replace(shown, calls={**shown.calls, "ann/1": "dialing"})
    assert found(replace(witnesses, answers={CAMPAIGN: stale})) == {"P7"}
    few = {id_: status for id_, status in shown.calls.items() if id_ != "ann/1"}
    forgetful = replace(witnesses, answers={CAMPAIGN: replace(shown, calls=few)})
    assert found(forgetful) == {"P7"}
    deleted = replace(forgetful, log=replace(forgetful.log, hidden=frozenset({"ann/1"})))
    assert found(deleted) == set(), "a client wanted it so"
    other = replace(shown, targets={"ann": ("done", {0: 1})})
    assert found(replace(witnesses, answers={CAMPAIGN: other})) == {"P7"}


def test_a_limit_is_not_judged_where_the_log_has_forgotten_what_it_was() -> None:
    whole = a_history()
    verdicts = verify(ledgers(history=replace(whole, versions=whole.versions[1:])))
    assert verdicts.of(Promise.P6) is Word.CANNOT_SAY
    assert verdicts.of(Promise.P3) is Word.CANNOT_SAY


def test_a_promise_without_a_witness_is_not_asked_about() -> None:
    verdicts = verify(replace(ledgers(), originations=None, answers=None))
    assert verdicts.of(Promise.P1) is Word.NOT_ASKED
    assert verdicts.of(Promise.P2) is Word.OK


def test_only_the_campaigns_that_are_asked_about_are_judged() -> None:
    first = a_ring(STORIES[0])
    rings = (*map(a_ring, STORIES), replace(first, at=after(900), until=after(900)))
    witnesses = replace(ledgers(rings=rings), campaign_ids=("another",))
    assert verify(witnesses).violations == ()
