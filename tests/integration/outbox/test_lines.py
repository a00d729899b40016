"""State and messages in one step, though the line to Redis breaks."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass

import pytest
from chassis.errors import Transient
from chassis.outbox import (
    Outbox,
    Record,
    Write,
)
from chassis.store import connect, is_cluster, nodes_of
from redis.asyncio.cluster import RedisCluster

from tests.integration.outbox.changes import a_change, a_key, told


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
