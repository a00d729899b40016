"""What the dialer may rely on at its gateway: one suite for the simulator and for Asterisk.

Tests that need the simulator's own means are skipped with Asterisk.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest
from dialer.domain.signals import Answered, ChannelEnded, DigitPressed, Ringing
from dialer.ports import ChannelGone, Fate, GatewayPaused, Origination, OriginationRefused

from tests.integration.gateway.line import (
    ANSWERS,
    ANSWERS_AND_HANGS_UP,
    NEVER_REPLIES,
    RINGS_A_SECOND,
    RINGS_FOR_EVER,
    WITHIN_S,
    Line,
    Unique,
    an_origination,
    asked,
    simulated,
)


async def test_a_call_rings_is_answered_and_ends(line: Line, unique: Unique) -> None:
    id_, before = unique("call"), datetime.now(UTC)
    await line.gateway.originate(an_origination(id_, RINGS_A_SECOND))
    ringing, answered = await line.hears(id_, Ringing), await line.hears(id_, Answered)
    await line.gateway.hang_up(id_)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (16, None, True)
    slack = timedelta(seconds=1)
    assert before - slack <= ringing.at < answered.at <= ended.at <= datetime.now(UTC) + slack


async def test_a_far_end_that_hangs_up_gives_an_unknown_cause(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.answered(id_, ANSWERS_AND_HANGS_UP)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (0, True)


@simulated
async def test_a_gateway_that_has_too_much_to_do_says_for_how_long(
    line: Line, unique: Unique
) -> None:
    number = "155500982"
    with pytest.raises(GatewayPaused) as asked:
        await line.gateway.originate(an_origination(refused := unique("call"), number))
    assert asked.value.pause == timedelta(seconds=2)
    assert (await line.gateway.lookup(refused)).fate is Fate.NEVER_SEEN
    await line.answered(unique("call"), number)


@pytest.mark.parametrize(
    ("status", "cause"),
    [
        (301, 16), (403, 21), (404, 1), (408, 18), (410, 22), (480, 19), (484, 28), (486, 17),
        (488, 58), (500, 38), (502, 27), (503, 34), (504, 102), (600, 17), (603, 21), (607, 127),
        (608, 127),
    ],
)  # fmt: skip
async def test_a_refusal_keeps_its_sip_status_beside_the_cause(
    line: Line, unique: Unique, status: int, cause: int
) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, f"155500{status}"))
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (cause, status, False)
    assert not line.of(id_, Answered)


@pytest.mark.parametrize("number", [RINGS_FOR_EVER, NEVER_REPLIES])
async def test_the_ring_timeout_ends_a_call_that_nobody_answers(
    line: Line, unique: Unique, number: str
) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, number, ring_s=1.0))
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause, ended.was_answered) == (19, 480, False)


async def test_hanging_up_ends_a_call_that_rings(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, RINGS_FOR_EVER))
    await line.hears(id_, Ringing)
    await line.gateway.hang_up(id_)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (16, False)


async def test_the_cause_of_a_hang_up_is_ours_to_choose(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.answered(id_)
    await line.gateway.hang_up(id_, cause=34)
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause) == (34, 503)


async def test_the_absolute_timeout_ends_a_call_nobody_ends(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    whole = an_origination(id_, ANSWERS)
    await line.gateway.originate(
        Origination(
            channel_id=id_,
            address=whole.address,
            kind=whole.kind,
            caller_id=None,
            ring_timeout=whole.ring_timeout,
            absolute_timeout=timedelta(seconds=2),
        )
    )
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.was_answered) == (0, True)


@pytest.mark.parametrize("number", ["155500915", "155500925"])
async def test_a_digit_is_heard(line: Line, unique: Unique, number: str) -> None:
    id_ = unique("call")
    await line.answered(id_, number)
    assert (await line.hears(id_, DigitPressed)).digit == "5"
    await line.gateway.hang_up(id_)


async def test_one_channel_id_is_one_call_however_often_it_is_asked_for(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    one = an_origination(id_, ANSWERS)
    await asyncio.gather(*(line.gateway.originate(one) for _ in range(3)))
    await line.hears(id_, Answered)
    await line.gateway.hang_up(id_)
    await line.hears(id_, ChannelEnded)
    assert len(line.of(id_, Answered)) == 1
    assert len(line.of(id_, ChannelEnded)) == 1


async def test_an_unknown_endpoint_is_refused_and_nothing_is_dialed(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    with pytest.raises(OriginationRefused) as refusal:
        await line.gateway.originate(an_origination(id_, "1555@nowhere"))
    assert refusal.value.status == 409


async def test_a_sip_uri_is_dialed_through_the_trunk(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(
        Origination(
            channel_id=id_,
            address="sip:1555@nowhere.invalid",
            kind="sip",
            caller_id=None,
            ring_timeout=timedelta(seconds=20),
            absolute_timeout=timedelta(seconds=60),
        )
    )
    ended = await line.hears(id_, ChannelEnded)
    assert (ended.cause, ended.tech_cause) == (34, 503)


async def test_a_channel_that_never_was_cannot_be_played_to_nor_connected(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    with pytest.raises(ChannelGone):
        await line.gateway.play(id_, "sound:beep", f"{id_}-1")
    with pytest.raises(ChannelGone):
        await line.gateway.connect(unique("bridge"), (id_,))
    await line.gateway.hang_up(id_)


async def test_two_calls_are_connected_by_one_bridge_however_often(
    line: Line, unique: Unique
) -> None:
    one, two, bridge = unique("call"), unique("call"), unique("bridge")
    await asyncio.gather(line.answered(one), line.answered(two))
    await line.gateway.connect(bridge, (one, two))
    await line.gateway.connect(bridge, (one, two))
    shown = await asked(line, f"bridges/{bridge}")
    assert sorted(shown.json()["channels"]) == sorted((one, two))
    await asyncio.gather(line.gateway.hang_up(one), line.gateway.hang_up(two))
    async with asyncio.timeout(WITHIN_S):
        while (await asked(line, f"bridges/{bridge}")).status_code != 404:
            await asyncio.sleep(0.01)
