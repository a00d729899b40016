"""Numbers: one call at a time, attempts per rolling day and week, do-not-call; whoever races."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from chassis.outbox import Change, Outbox, Write
from chassis.store import connect
from target_queue import Held, Numbers, Refusal, TargetQueue, Why
from target_queue.keys import number_key, number_shard
from target_queue.packing import microseconds

NUMBER = "+12125550100"
MINUTE, DAY, WEEK = timedelta(minutes=1), timedelta(days=1), timedelta(days=7)
A_MOMENT = timedelta(milliseconds=50)


@pytest.fixture
def numbers(outbox: Outbox) -> Numbers:
    return Numbers(outbox)


@pytest.fixture
async def workers(store_url: str) -> AsyncIterator[list[Numbers]]:
    """The numbers as three processes have them."""
    outboxes = [Outbox(connect(store_url)) for _ in range(3)]
    yield [Numbers(outbox) for outbox in outboxes]
    for outbox in outboxes:
        await outbox.redis.aclose()


@pytest.fixture
def customer() -> str:
    return str(uuid4())


async def hold(
    numbers: Numbers,
    customer: str,
    attempt: str,
    *,
    number: str = NUMBER,
    day: int | None = None,
    week: int | None = None,
    lease: timedelta = MINUTE,
) -> Held | Refusal:
    return await numbers.hold(customer, number, attempt, per_day=day, per_week=week, lease=lease)


def why(answer: Held | Refusal) -> Why:
    assert isinstance(answer, Refusal), answer
    return answer.why


async def put_on(outbox: Outbox, customer: str, number: str, lists: bytes, version: int) -> None:
    """Write a number's lists as the campaign-manager does."""
    write = Write(number_key(customer, number, "lists"), version, lists)
    shard = number_shard(customer, number)
    await outbox.commit(Change(shard=shard, operation=uuid4().hex[:12], writes=(write,)))


# ---- one call at a time


async def test_of_many_who_want_a_number_at_once_one_has_it(
    workers: list[Numbers], customer: str
) -> None:
    wanted = [hold(workers[n % 3], customer, f"attempt-{n}") for n in range(150)]
    answers = await asyncio.gather(*wanted)
    assert sum(isinstance(answer, Held) for answer in answers) == 1
    assert {why(answer) for answer in answers if isinstance(answer, Refusal)} == {Why.IN_CALL}


async def test_racing_for_many_numbers_each_is_held_once(
    workers: list[Numbers], customer: str
) -> None:
    held: dict[str, list[str]] = {f"+1212555{n:04}": [] for n in range(200)}

    async def want(numbers: Numbers, number: str, attempt: str) -> None:
        if isinstance(await hold(numbers, customer, attempt, number=number), Held):
            held[number].append(attempt)

    await asyncio.gather(*(want(w, n, f"{i}-{n}") for i, w in enumerate(workers) for n in held))
    assert {len(by) for by in held.values()} == {1}


async def test_a_held_number_stays_the_attempts_however_often_it_asks(
    numbers: Numbers, customer: str
) -> None:
    for _ in range(3):
        assert isinstance(await hold(numbers, customer, "first", day=1), Held)
    assert why(await hold(numbers, customer, "second")) is Why.IN_CALL


async def test_spellings_of_a_number_are_one_number(numbers: Numbers, customer: str) -> None:
    assert isinstance(await hold(numbers, customer, "first"), Held)
    spelled = f"sip:{NUMBER}@carrier.example"
    assert why(await hold(numbers, customer, "second", number=spelled)) is Why.IN_CALL


async def test_customers_do_not_know_of_each_others_calls(numbers: Numbers, customer: str) -> None:
    assert isinstance(await hold(numbers, customer, "first"), Held)
    assert isinstance(await hold(numbers, str(uuid4()), "second"), Held)


async def test_a_number_is_free_once_it_is_let_go_and_only_by_who_has_it(
    numbers: Numbers, customer: str
) -> None:
    await hold(numbers, customer, "first")
    await numbers.let_go(customer, NUMBER, "second", was_dialed=True)
    assert why(await hold(numbers, customer, "second")) is Why.IN_CALL
    await numbers.let_go(customer, NUMBER, "first", was_dialed=True)
    assert isinstance(await hold(numbers, customer, "second"), Held)
    await numbers.let_go(customer, NUMBER, "first", was_dialed=True)
    assert why(await hold(numbers, customer, "third")) is Why.IN_CALL


async def test_a_number_that_is_never_let_go_is_free_when_the_lease_ends(
    numbers: Numbers, customer: str
) -> None:
    await hold(numbers, customer, "first", lease=A_MOMENT)
    async with asyncio.timeout(5):
        while isinstance(await hold(numbers, customer, "second"), Refusal):
            await asyncio.sleep(0.01)
    assert why(await hold(numbers, customer, "first")) is Why.IN_CALL


# ---- attempts per rolling day and week


async def tried(outbox: Outbox, customer: str, ages: list[timedelta]) -> datetime:
    """Let attempts have been so long ago; return the store's time."""
    now = await TargetQueue(outbox).now()
    past = {f"past-{n}": microseconds(now - age) for n, age in enumerate(ages)}
    await outbox.redis.zadd(number_key(customer, NUMBER, "attempts"), past)
    return now


@pytest.mark.parametrize(
    "case",
    [
        (DAY, 2, None, Why.ATTEMPTS_PER_DAY),
        (WEEK, None, 2, Why.ATTEMPTS_PER_WEEK),
        (WEEK, 5, 2, Why.ATTEMPTS_PER_WEEK),
    ],
)
async def test_a_limit_holds_in_every_rolling_window(
    outbox: Outbox,
    numbers: Numbers,
    customer: str,
    case: tuple[timedelta, int | None, int | None, Why],
) -> None:
    """The older of two leaves the window in two seconds, and not a moment before."""
    window, day, week, over = case
    soon = timedelta(seconds=2)
    now = await tried(outbox, customer, [window - soon, MINUTE])
    refused = await hold(numbers, customer, "third", day=day, week=week)
    assert why(refused) is over
    assert isinstance(refused, Refusal)
    assert refused.until == now + soon
    async with asyncio.timeout(5):
        while isinstance(
            answer := await hold(numbers, customer, "third", day=day, week=week), Refusal
        ):
            assert answer.at < now + soon
            assert answer.until == now + soon
            await asyncio.sleep(0.005)
    assert answer.at >= now + soon
    await numbers.let_go(customer, NUMBER, "third", was_dialed=True)
    again = await hold(numbers, customer, "fourth", day=day, week=week)
    assert isinstance(again, Refusal)
    assert again.until == now - MINUTE + window


async def test_what_left_the_window_just_now_does_not_count(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    await tried(outbox, customer, [DAY, DAY + MINUTE, WEEK])
    assert isinstance(await hold(numbers, customer, "new", day=1, week=3), Held)


async def test_of_two_limits_the_later_one_says_until_when(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    now = await tried(outbox, customer, [WEEK - MINUTE, 2 * DAY, timedelta(hours=1)])
    refused = await hold(numbers, customer, "new", day=1, week=3)
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.until) == (
        Why.ATTEMPTS_PER_DAY,
        now - timedelta(hours=1) + DAY,
    )


async def test_an_attempt_that_never_rang_does_not_count(numbers: Numbers, customer: str) -> None:
    for n in range(3):
        assert isinstance(await hold(numbers, customer, f"{n}", day=1), Held)
        await numbers.let_go(customer, NUMBER, f"{n}", was_dialed=False)
    assert isinstance(await hold(numbers, customer, "dialed", day=1), Held)
    await numbers.let_go(customer, NUMBER, "dialed", was_dialed=True)
    assert why(await hold(numbers, customer, "another", day=1)) is Why.ATTEMPTS_PER_DAY


async def test_an_attempt_counts_from_when_it_may_have_rung(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    held = await hold(numbers, customer, "first", day=1)
    key = number_key(customer, NUMBER, "attempts")
    await asyncio.gather(*(hold(numbers, customer, "other") for _ in range(20)))
    await numbers.let_go(customer, NUMBER, "first", was_dialed=True)
    at = await outbox.redis.zscore(key, "first")
    assert at is not None
    assert at > microseconds(held.at)
    await numbers.let_go(customer, NUMBER, "first", was_dialed=True)
    assert await outbox.redis.zscore(key, "first") == at


async def test_racing_attempts_never_pass_the_limit(workers: list[Numbers], customer: str) -> None:
    rang = []

    async def dial(numbers: Numbers, attempt: str) -> None:
        for _ in range(5):
            if isinstance(await hold(numbers, customer, attempt, day=7), Held):
                rang.append(attempt)
                await numbers.let_go(customer, NUMBER, attempt, was_dialed=True)
                return

    await asyncio.gather(*(dial(workers[n % 3], f"attempt-{n}") for n in range(60)))
    async with asyncio.timeout(10):
        while isinstance(await hold(workers[0], customer, f"late-{len(rang)}", day=7), Held):
            await workers[0].let_go(customer, NUMBER, f"late-{len(rang)}", was_dialed=True)
            rang.append("late")
    assert len(rang) == 7


async def test_nothing_is_kept_of_a_number_without_limits_and_all_of_it_ends_in_time(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    await hold(numbers, customer, "free")
    key = number_key(customer, NUMBER, "attempts")
    assert not await outbox.redis.exists(key)
    await numbers.let_go(customer, NUMBER, "free", was_dialed=True)
    assert not await outbox.redis.exists(number_key(customer, NUMBER, "call"))
    await tried(outbox, customer, [WEEK + MINUTE])
    await hold(numbers, customer, "limited", week=1)
    assert await outbox.redis.zcard(key) == 1
    assert 0 < await outbox.redis.pttl(key) <= (WEEK + MINUTE) / timedelta(milliseconds=1)


# ---- do not call


async def test_a_listed_number_is_refused_until_it_is_on_no_list(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    assert not await numbers.is_listed(customer, NUMBER)
    await put_on(outbox, customer, NUMBER, b'["a","b"]', 0)
    assert await numbers.is_listed(customer, f"sip:{NUMBER}@carrier.example")
    refused = await hold(numbers, customer, "first")
    assert isinstance(refused, Refusal)
    assert (refused.why, refused.until) == (Why.DO_NOT_CALL, None)
    await put_on(outbox, customer, NUMBER, b"[]", 1)
    assert not await numbers.is_listed(customer, NUMBER)
    assert isinstance(await hold(numbers, customer, "first"), Held)


async def test_a_number_that_is_listed_after_the_hold_is_refused_at_the_last_instant(
    outbox: Outbox, numbers: Numbers, customer: str
) -> None:
    assert isinstance(await hold(numbers, customer, "first"), Held)
    await put_on(outbox, customer, NUMBER, b'["a"]', 0)
    assert await numbers.is_listed(customer, NUMBER)
    assert why(await hold(numbers, customer, "first")) is Why.DO_NOT_CALL


def test_a_number_stays_in_its_shard_for_ever() -> None:
    assert number_shard("183c0d5c-691e-42f3-af2b-9bffc2740f83", NUMBER) == "number-6"
