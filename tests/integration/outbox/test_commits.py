"""State and messages in one step: what a commit promises, whatever races it."""

import asyncio
import json

import pytest
from chassis.errors import Transient
from chassis.outbox import (
    Change,
    Guard,
    Outbox,
    Position,
    Record,
    StaleWrite,
    Write,
    stream_id,
)
from redis.asyncio import Redis

from tests.integration.outbox.changes import a_change, a_key, a_message, told, waiting


async def test_a_commit_writes_records_runs_commands_and_keeps_messages(
    outbox: Outbox, shard: str
) -> None:
    index = f"{{{shard}}}:index"
    change = Change(
        shard=shard,
        operation="place",
        writes=(Write(a_key(shard, "a"), 0, b"one|with|bars"), Write(a_key(shard, "b"), 0, b"")),
        also=(("ZADD", index, 1.5, "a"), ("SADD", f"{index}:set", b"\xff\x00")),
        messages=(a_message("first"), a_message("second")),
    )
    position = await outbox.commit(change)
    stored = await outbox.read_many([a_key(shard, name) for name in ("a", "b", "absent")])
    assert stored == [Record(1, b"one|with|bars"), Record(1, b""), None]
    assert await outbox.redis.zscore(index, "a") == 1.5
    assert await outbox.redis.smembers(f"{index}:set") == {b"\xff\x00"}
    entries = await waiting(outbox, shard)
    assert [entry[b"v"] for _, entry in entries] == [b"first", b"second"]
    assert entries[0][1] == {
        b"t": b"a-topic", b"k": b"a-key", b"y": b"order.placed", b"c": b"a-story", b"v": b"first",
    }  # fmt: skip
    assert position == Position(shard, stream_id(entries[1][0]))


async def test_a_stale_write_changes_nothing_at_all(outbox: Outbox, shard: str) -> None:
    await outbox.commit(a_change(shard, "place", [Write(a_key(shard, "a"), 0, b"1")], "placed"))
    set_key = f"{{{shard}}}:set"
    late = Change(
        shard=shard,
        operation="late",
        writes=(Write(a_key(shard, "b"), 0, b"new"), Write(a_key(shard, "a"), 0, b"other")),
        also=(("SADD", set_key, "x"),),
        messages=(a_message("late"),),
    )
    with pytest.raises(StaleWrite) as stale:
        await outbox.commit(late)
    assert stale.value.key == a_key(shard, "a")
    assert await outbox.read(a_key(shard, "a")) == Record(1, b"1")
    assert await outbox.read(a_key(shard, "b")) is None
    assert not await outbox.redis.exists(set_key)
    assert await told(outbox, shard) == ["placed"]


@pytest.mark.parametrize("expected", [0, 2, 7])
async def test_any_other_version_than_the_one_decided_on_is_stale(
    outbox: Outbox, shard: str, expected: int
) -> None:
    await outbox.commit(a_change(shard, "place", [Write(a_key(shard), 0, b"1")]))
    with pytest.raises(StaleWrite):
        await outbox.commit(a_change(shard, "change", [Write(a_key(shard), expected, b"2")]))


async def test_the_same_operation_twice_is_one(outbox: Outbox, shard: str) -> None:
    change = a_change(shard, "place", [Write(a_key(shard), 0, b"1")], "placed")
    first = await outbox.commit(change)
    assert await outbox.commit(change) == first
    assert await outbox.read(a_key(shard)) == Record(1, b"1")
    assert await told(outbox, shard) == ["placed"]


async def test_the_same_operation_twice_in_one_call_is_one(outbox: Outbox, shard: str) -> None:
    change = a_change(shard, "place", [Write(a_key(shard), 0, b"1")], "placed")
    positions = await asyncio.gather(*(outbox.commit(change) for _ in range(5)))
    assert len(set(positions)) == 1
    assert await told(outbox, shard) == ["placed"]


async def test_a_repeat_waits_for_what_was_committed_since(outbox: Outbox, shard: str) -> None:
    """A repeat may answer a later position than the first time, never an earlier one."""
    change = a_change(shard, "place", [Write(a_key(shard, "a"), 0, b"1")], "placed")
    first = await outbox.commit(change)
    await outbox.commit(a_change(shard, "more", [Write(a_key(shard, "b"), 0, b"1")], "more"))
    assert (await outbox.commit(change)).id > first.id


async def test_a_repeat_after_another_writer_is_stale(outbox: Outbox, shard: str) -> None:
    """The one who repeats must look again: what it decided on is gone."""
    change = a_change(shard, "place", [Write(a_key(shard), 0, b"1")])
    await outbox.commit(change)
    await outbox.commit(a_change(shard, "pay", [Write(a_key(shard), 1, b"2")]))
    with pytest.raises(StaleWrite):
        await outbox.commit(change)


async def test_a_guard_must_hold_and_is_not_written(outbox: Outbox, shard: str) -> None:
    gate, order = a_key(shard, "gate"), a_key(shard, "order")
    await outbox.commit(a_change(shard, "open", [Write(gate, 0, b"open")]))
    guarded = a_change(shard, "place", [Write(order, 0, b"1")], guards=[Guard(gate, 1)])
    await outbox.commit(guarded)
    assert await outbox.read(gate) == Record(1, b"open")
    await outbox.commit(a_change(shard, "close", [Write(gate, 1, b"closed")]))
    refused = a_change(shard, "pay", [Write(order, 1, b"2")], "paid", guards=[Guard(gate, 1)])
    with pytest.raises(StaleWrite) as stale:
        await outbox.commit(refused)
    assert stale.value.key == gate
    assert await outbox.read(order) == Record(1, b"1")
    assert await told(outbox, shard) == []


async def test_a_guard_of_the_own_operation_name_is_still_a_guard(
    outbox: Outbox, shard: str
) -> None:
    gate, order = a_key(shard, "gate"), a_key(shard, "order")
    await outbox.commit(a_change(shard, "same-name", [Write(gate, 0, b"open")]))
    change = a_change(shard, "same-name", [Write(order, 0, b"1")], guards=[Guard(gate, 5)])
    with pytest.raises(StaleWrite):
        await outbox.commit(change)


async def test_a_deleted_record_starts_again_from_nothing(outbox: Outbox, shard: str) -> None:
    key = a_key(shard)
    await outbox.commit(a_change(shard, "place", [Write(key, 0, b"1")]))
    await outbox.commit(a_change(shard, "drop", [Write(key, 1, None)]))
    assert await outbox.read(key) is None
    await outbox.commit(a_change(shard, "again", [Write(key, 0, b"2")]))
    assert await outbox.read(key) == Record(1, b"2")


async def test_a_command_that_fails_takes_only_its_own_change_along(
    outbox: Outbox, shard: str
) -> None:
    """Commits travel together: the mistake of one must not be told to the others."""
    wrong = f"{{{shard}}}:text"
    await outbox.redis.set(wrong, "not a set")
    good = [a_change(shard, f"g{n}", [Write(a_key(shard, f"g{n}"), 0, b"")], "ok") for n in (1, 2)]
    bad = Change(shard=shard, operation="bad", also=(("SADD", wrong, "x"),))
    first, failed, second = await asyncio.gather(
        outbox.commit(good[0]), outbox.commit(bad), outbox.commit(good[1]), return_exceptions=True
    )
    assert isinstance(failed, Exception)
    assert not isinstance(failed, StaleWrite | Transient)
    assert not isinstance(first, BaseException)
    assert not isinstance(second, BaseException)
    assert await told(outbox, shard) == ["ok", "ok"]


async def test_each_version_is_won_by_exactly_one_of_fifty_writers(
    outbox: Outbox, other: Outbox, shard: str
) -> None:
    """Fifty writers of two processes, each until it has won once; every version has one winner."""
    key = a_key(shard)
    defeats = 0

    async def win(number: int) -> int:
        nonlocal defeats
        mine = outbox if number % 2 else other
        while True:
            record = await mine.read(key)
            before: list[int] = json.loads(record.body) if record else []
            version = record.version if record else 0
            body = json.dumps([*before, number]).encode()
            change = a_change(shard, f"op-{number}", [Write(key, version, body)], str(number))
            try:
                await mine.commit(change)
            except StaleWrite:
                defeats += 1
                continue
            return version + 1

    versions = await asyncio.gather(*(win(number) for number in range(50)))
    assert sorted(versions) == list(range(1, 51))
    record = await outbox.read(key)
    assert record is not None
    assert record.version == 50
    assert [str(number) for number in json.loads(record.body)] == await told(outbox, shard)
    assert defeats > 0, "they did race"


async def test_many_commits_at_once_take_few_calls(
    outbox: Outbox, servers: list[Redis], shard: str
) -> None:
    changes = [a_change(shard, f"{n}", [Write(a_key(shard, f"{n}"), 0, b"")]) for n in range(300)]
    await outbox.commit(a_change(shard, "warm", [Write(a_key(shard, "warm"), 0, b"")]))
    before = await calls_of_scripts(servers)
    await asyncio.gather(*map(outbox.commit, changes))
    assert await calls_of_scripts(servers) - before <= 5


async def calls_of_scripts(servers: list[Redis]) -> int:
    told = [await server.info("commandstats") for server in servers]
    return sum(int(stats.get("cmdstat_evalsha", {}).get("calls", 0)) for stats in told)


async def test_a_writer_who_goes_away_does_not_hold_up_the_others(
    outbox: Outbox, shard: str
) -> None:
    changes = [a_change(shard, f"{n}", [Write(a_key(shard, f"{n}"), 0, b"")]) for n in range(10)]
    commits = [asyncio.ensure_future(outbox.commit(change)) for change in changes]
    await asyncio.sleep(0)
    commits[3].cancel()
    done = await asyncio.gather(*commits, return_exceptions=True)
    assert isinstance(done.pop(3), asyncio.CancelledError)
    assert not any(isinstance(answer, BaseException) for answer in done)
