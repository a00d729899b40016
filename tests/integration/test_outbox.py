"""State and messages in one step: what a commit promises, whatever races or fails around it."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from chassis.endings import end
from chassis.errors import Transient
from chassis.outbox import (
    Change,
    Guard,
    Outbox,
    OutMessage,
    Position,
    Record,
    StaleWrite,
    Write,
    stream_id,
)
from chassis.shards import outbox_key, published_key
from chassis.store import connect, is_cluster, nodes_of
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

Unique = Callable[[str], str]


@pytest.fixture
async def outbox(store_url: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(connect(store_url))
    yield outbox
    await outbox.redis.aclose()


@pytest.fixture
async def other(store_url: str) -> AsyncIterator[Outbox]:
    outbox = Outbox(connect(store_url))
    yield outbox
    await outbox.redis.aclose()


@pytest.fixture
def shard(unique: Unique) -> str:
    return unique("orders")


def a_key(shard: str, name: str = "a") -> str:
    return f"{{{shard}}}:order:{name}"


def a_message(text: str) -> OutMessage:
    return OutMessage("a-topic", "a-key", "order.placed", "a-story", text.encode())


def a_change(
    shard: str, operation: str, writes: Sequence[Write], *texts: str, guards: Sequence[Guard] = ()
) -> Change:
    return Change(
        shard=shard,
        operation=operation,
        writes=tuple(writes),
        guards=tuple(guards),
        messages=tuple(a_message(text) for text in texts),
    )


async def told(outbox: Outbox, shard: str) -> list[str]:
    """The messages that wait to be published, in their order."""
    return [entry[b"v"].decode() for _, entry in await waiting(outbox, shard)]


async def waiting(outbox: Outbox, shard: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    entries: Any = await outbox.redis.xrange(outbox_key(shard))
    return list(entries)


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


class Wire:
    """A line to Redis that can be cut between the command and its answer."""

    def __init__(self, target: tuple[str, int]) -> None:
        self._target = target
        self.loses_answers = False
        self.is_cut = False
        self.open: set[asyncio.Task[None]] = set()

    async def serve(self) -> asyncio.Server:
        return await asyncio.start_server(self._connect, "127.0.0.1", 0)

    async def _connect(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self.open.add(task)
        if not self.is_cut:
            far, forth = await asyncio.open_connection(*self._target)
            carried = [
                asyncio.create_task(self._carry(near, forth, is_answer=False)),
                asyncio.create_task(self._carry(far, back, is_answer=True)),
            ]
            await asyncio.wait(carried, return_when=asyncio.FIRST_COMPLETED)
            for task in carried:
                task.cancel()
            await asyncio.gather(*carried, return_exceptions=True)
            await _close(forth)
        await _close(back)

    async def _carry(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, is_answer: bool
    ) -> None:
        with suppress(ConnectionError):
            while words := await source.read(65536):
                if is_answer and self.loses_answers:
                    return
                sink.write(words)
                await sink.drain()


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


@dataclass
class Lines:
    """The lines to all servers of the store."""

    wires: list[Wire]

    def lose_answers(self, *, are_lost: bool) -> None:
        for wire in self.wires:
            wire.loses_answers = are_lost

    def cut(self, *, are_cut: bool) -> None:
        for wire in self.wires:
            wire.is_cut = are_cut


@pytest.fixture
async def lines(
    store_url: str,
) -> AsyncIterator[tuple[Lines, Outbox]]:
    """An outbox at the end of lines that can be cut."""
    targets = nodes_of(store_url)
    wires = [Wire(target) for target in targets]
    servers = [await wire.serve() for wire in wires]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    if is_cluster(store_url):
        near = {target: ("127.0.0.1", port) for target, port in zip(targets, ports, strict=True)}
        client = connect("redis+cluster://" + ",".join(f"127.0.0.1:{port}" for port in ports))
        assert isinstance(client, RedisCluster)
        client.nodes_manager.address_remap = lambda node: near.get(node, node)
    else:
        client = connect(f"redis://127.0.0.1:{ports[0]}/0")
    yield Lines(wires), Outbox(client)
    await client.aclose()
    for wire, server in zip(wires, servers, strict=True):
        server.close()
        await asyncio.gather(*wire.open)


async def test_a_commit_whose_answer_was_lost_is_made_once_when_it_is_repeated(
    lines: tuple[Lines, Outbox], outbox: Outbox, shard: str
) -> None:
    line, far = lines
    await far.commit(a_change(shard, "warm", [Write(a_key(shard, "warm"), 0, b"")]))
    line.lose_answers(are_lost=True)
    change = a_change(shard, "place", [Write(a_key(shard), 0, b"1")], "placed")
    with pytest.raises(Transient):
        await far.commit(change)
    assert await told(outbox, shard) == ["placed"], "it had happened"
    line.lose_answers(are_lost=False)
    await far.commit(change)
    assert await far.read(a_key(shard)) == Record(1, b"1")
    assert await told(outbox, shard) == ["placed"]


async def test_redis_away_is_transient_and_the_next_commit_works(
    lines: tuple[Lines, Outbox], shard: str
) -> None:
    line, far = lines
    line.cut(are_cut=True)
    change = a_change(shard, "place", [Write(a_key(shard), 0, b"1")], "placed")
    with pytest.raises(Transient):
        await far.commit(change)
    line.cut(are_cut=False)
    await far.commit(change)
    assert await told(far, shard) == ["placed"]


async def test_whoever_awaits_publication_goes_on_when_it_is_announced(
    outbox: Outbox, other: Outbox, servers: list[Redis], shard: str
) -> None:
    listening = asyncio.create_task(outbox.listen())
    while not sum([await server.pubsub_numpat() for server in servers]):
        await asyncio.sleep(0.01)
    first, second = [
        await outbox.commit(a_change(shard, f"{n}", [Write(a_key(shard, f"{n}"), 0, b"")], f"{n}"))
        for n in range(2)
    ]
    waits = [asyncio.create_task(outbox.published(position)) for position in (first, second)]
    await asyncio.sleep(0)
    await other.redis.publish(published_key(shard), f"{first.id[0]}-{first.id[1]}")
    async with asyncio.timeout(5):
        await waits[0]
    assert not waits[1].done()
    await other.redis.publish(published_key(shard), f"{second.id[0]}-{second.id[1]}")
    async with asyncio.timeout(5):
        await waits[1]
    await end(listening)


async def test_a_missed_announcement_is_looked_up(outbox: Outbox, shard: str) -> None:
    """Nobody listens here: the stored id must do."""
    position = await outbox.commit(
        a_change(shard, "place", [Write(a_key(shard), 0, b"")], "placed")
    )
    waiting = asyncio.create_task(outbox.published(position))
    await asyncio.sleep(0)
    await outbox.redis.set(published_key(shard), f"{position.id[0]}-{position.id[1]}")
    async with asyncio.timeout(5):
        await waiting


async def test_what_is_not_published_in_time_is_transient(
    outbox: Outbox, shard: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chassis.outbox.RECHECK_S", 0.05)
    monkeypatch.setattr("chassis.outbox.PUBLISH_LIMIT_S", 0.2)
    position = await outbox.commit(
        a_change(shard, "place", [Write(a_key(shard), 0, b"")], "placed")
    )
    with pytest.raises(Transient):
        await outbox.published(position)


async def test_a_change_that_tells_nothing_waits_for_nothing(outbox: Outbox, shard: str) -> None:
    position = await outbox.commit(a_change(shard, "place", [Write(a_key(shard), 0, b"")]))
    async with asyncio.timeout(0.4):
        await outbox.published(position)
