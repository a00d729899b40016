"""What became of a call, by its channel and by its record."""

from pathlib import Path

import pytest
from dialer.domain.signals import ChannelEnded, Ringing
from dialer.ports import Fate, Sighting

from tests.integration.gateway.line import (
    RINGS_FOR_EVER,
    Carrier,
    Line,
    Unique,
    a_line,
    an_origination,
)


async def test_a_lookup_tells_ringing_from_up_from_ended(line: Line, unique: Unique) -> None:
    rings, is_up, busy = unique("call"), unique("call"), unique("call")
    await line.gateway.originate(an_origination(rings, RINGS_FOR_EVER, ring_s=200))
    await line.answered(is_up)
    await line.gateway.originate(an_origination(busy, "155500486"))
    await line.hears(rings, Ringing)
    await line.hears(busy, ChannelEnded)
    assert await line.gateway.lookup(rings) == Sighting(Fate.LIVE, state="ringing")
    assert await line.gateway.lookup(is_up) == Sighting(Fate.LIVE, state="up")
    await line.gateway.hang_up(rings)
    await line.gateway.hang_up(is_up)
    await line.hears(is_up, ChannelEnded)
    if line.carrier.call_records is None:
        return
    assert await line.gateway.lookup(busy) == Sighting(Fate.ENDED, disposition="BUSY")
    sighting = await line.gateway.lookup(is_up)
    assert (sighting.fate, sighting.was_answered) == (Fate.ENDED, True)
    assert sighting.disposition == "ANSWERED"


async def test_what_was_never_dialed_was_never_seen(line: Line, unique: Unique) -> None:
    if line.carrier.call_records is None:
        pytest.skip("no call records given")
    run_id = line.gateway.run_id
    assert run_id, "by whose word it is: a gateway that was started anew knows nothing of before"
    sighting = await line.gateway.lookup(unique("call"))
    assert sighting == Sighting(Fate.NEVER_SEEN, gateway_run=run_id)


async def test_without_call_records_an_absent_channel_is_unknown(
    carrier: Carrier, unique: Unique, tmp_path: Path
) -> None:
    for records in (None, tmp_path / "not-there.csv"):
        blind = Carrier(carrier.url, carrier.username, carrier.password, call_records=records)
        async with a_line(blind, unique("dialer")) as line:
            assert await line.gateway.lookup(unique("call")) == Sighting(Fate.UNKNOWN)


async def test_who_looks_a_live_call_up_hears_of_it_from_then_on(
    line: Line, unique: Unique
) -> None:
    id_ = unique("call")
    await line.answered(id_)
    async with a_line(line.carrier, unique("dialer")) as heir:
        assert (await heir.gateway.lookup(id_)).fate is Fate.LIVE
        await heir.gateway.hang_up(id_)
        assert (await heir.hears(id_, ChannelEnded)).was_answered
