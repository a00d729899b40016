"""The connection to the gateway may be lost, taken over, and full of mischief."""

import asyncio
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from dialer.adapters import ari_socket
from dialer.domain.signals import Answered, ChannelEnded, Ringing
from dialer.ports import Fate, GatewayUnavailable, Sighting

from tests.integration.gateway.line import (
    ANSWERS,
    RINGS_FOR_EVER,
    WITHIN_S,
    Carrier,
    Line,
    Unique,
    a_line,
    an_origination,
    asked,
    simulated,
    simulator,
    until,
)


async def test_a_call_that_is_up_survives_the_loss_of_the_socket(
    carrier: Carrier, unique: Unique
) -> None:
    name, id_ = unique("dialer"), unique("call")
    async with a_line(carrier, name) as before:
        await before.answered(id_)
    async with a_line(carrier, name) as after:
        await after.gateway.hang_up(id_)
        assert (await after.hears(id_, ChannelEnded)).was_answered


async def test_a_call_answered_while_nobody_listens_is_dropped_and_on_record(
    carrier: Carrier, unique: Unique
) -> None:
    name, id_ = unique("dialer"), unique("call")
    async with a_line(carrier, name) as before:
        await before.gateway.originate(an_origination(id_, "155571500"))
        await before.hears(id_, Ringing)
    async with a_line(carrier, unique("dialer")) as other, asyncio.timeout(WITHIN_S):
        while (await asked(other, f"channels/{id_}")).status_code != 404:
            await asyncio.sleep(0.01)
        if carrier.call_records is not None:
            sighting = await other.gateway.lookup(id_)
            assert (sighting.fate, sighting.was_answered) == (Fate.ENDED, True)
            assert sighting.billsec < 1.0


async def test_who_is_replaced_commands_nothing_until_the_application_is_its_own_again(
    carrier: Carrier, unique: Unique, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ari_socket, "FIRST_PAUSE_REPLACED_S", 5.0)
    name = unique("dialer")
    async with a_line(carrier, name) as first:
        async with a_line(carrier, name):
            await until(lambda: first.connections == [True, False])
            with pytest.raises(GatewayUnavailable):
                await first.gateway.originate(an_origination(unique("call"), ANSWERS))
        await until(lambda: first.connections == [True, False, True])
        await first.answered(unique("call"))


@simulated
async def test_the_gateway_comes_back_after_the_network_was_killed(
    tmp_path: Path, unique: Unique
) -> None:
    async with simulator(tmp_path) as carrier:
        line = Line(carrier, unique("dialer"))
        running = asyncio.create_task(line.gateway.run())
        await until(lambda: line.gateway.is_connected)
        assert carrier.program is not None
        carrier.program.kill()
        await until(lambda: not line.gateway.is_connected)
        with pytest.raises(GatewayUnavailable):
            await line.gateway.hang_up(unique("call"))
    port = str(urlsplit(carrier.url).port)
    async with simulator(tmp_path, port=port):
        await until(lambda: line.connections == [True, False, True])
        await line.answered(unique("call"))
        await line.gateway.aclose()
        await running


@simulated
async def test_signals_that_come_doubled_or_reordered_answer_once(
    line: Line, unique: Unique
) -> None:
    doubled, reordered, reversed_ = unique("call"), unique("call"), unique("call")
    await line.gateway.originate(an_origination(doubled, "155500943"))
    await line.gateway.originate(an_origination(reordered, "155500944"))
    await line.gateway.originate(an_origination(reversed_, "155500946"))
    for id_ in (doubled, reordered, reversed_):
        assert (await line.hears(id_, ChannelEnded)).was_answered
        await line.hears(id_, Answered)
    await until(lambda: len(line.of(doubled, ChannelEnded)) == 2)
    for id_ in (doubled, reordered, reversed_):
        assert len(line.of(id_, Answered)) == 1


@simulated
async def test_a_call_that_never_calls_back_is_found_by_lookup(line: Line, unique: Unique) -> None:
    id_ = unique("call")
    await line.gateway.originate(an_origination(id_, "155500945", ring_s=1.0))
    other = unique("call")
    await line.gateway.originate(an_origination(other, RINGS_FOR_EVER, ring_s=3.0))
    await line.hears(other, ChannelEnded)
    assert await line.gateway.lookup(id_) == Sighting(Fate.LIVE, state="ringing")
    await line.gateway.hang_up(id_)
    assert await line.gateway.lookup(id_) == Sighting(Fate.ENDED, disposition="NO ANSWER")
    assert not [signal for signal in line.heard if signal.channel_id == id_]
