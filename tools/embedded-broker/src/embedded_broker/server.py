"""The broker: one node, its own controller and coordinator; requests in, responses in order out."""

import asyncio
import itertools
import socket
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from embedded_broker import wire
from embedded_broker.groups import REAP_S, Group
from embedded_broker.log import CorruptBatch, PartitionLog
from embedded_broker.offsets import Offsets
from embedded_broker.topics import Topics

NODE, CLUSTER = 1, "embedded-broker"
OFFSET_OUT_OF_RANGE, CORRUPT, UNKNOWN_TOPIC, TOPIC_EXISTS = 1, 2, 3, 36
LATEST, EARLIEST = -1, -2
RETAIN_EVERY_S = 60.0

Fields = tuple[Any, ...]


class Broker:
    """A single-node broker on loopback."""

    def __init__(self, folder: Path, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._folder = folder
        self._host, self._port = host, port
        self._topics = Topics(folder)
        self._offsets = Offsets(folder)
        self._groups: dict[str, Group] = {}
        self._grown = asyncio.Event()
        self._producer_ids = itertools.count(int(time.time() * 1000))
        self._do: dict[int, Callable[[Any, wire.Frame], Awaitable[Fields | None]]] = {
            wire.PRODUCE: self._produce,
            wire.FETCH: self._fetch,
            wire.LIST_OFFSETS: self._list_offsets,
            wire.METADATA: self._metadata,
            wire.OFFSET_COMMIT: self._commit,
            wire.OFFSET_FETCH: self._committed,
            wire.FIND_COORDINATOR: self._coordinator,
            wire.JOIN_GROUP: self._join,
            wire.HEARTBEAT: self._heartbeat,
            wire.LEAVE_GROUP: self._leave,
            wire.SYNC_GROUP: self._sync,
            wire.DESCRIBE_GROUPS: self._describe_groups,
            wire.LIST_GROUPS: self._list_groups,
            wire.CREATE_TOPICS: self._create_topics,
            wire.DELETE_TOPICS: self._delete_topics,
            wire.INIT_PRODUCER_ID: self._producer_id,
            wire.DESCRIBE_CONFIGS: self._describe_configs,
            wire.CREATE_PARTITIONS: self._create_partitions,
        }

    async def run(self, on_listening: Callable[[str], None], stop: asyncio.Event) -> None:
        """Serve until told to stop."""
        server = await asyncio.start_server(self._serve, self._host, self._port)
        self._port = server.sockets[0].getsockname()[1]
        on_listening(f"{self._host}:{self._port}")
        keeping = asyncio.create_task(self._keep_house())
        await stop.wait()
        keeping.cancel()
        server.close()
        self._topics.close()
        self._offsets.close()

    async def _keep_house(self) -> None:
        for beat in itertools.count(1):
            await asyncio.sleep(REAP_S)
            for group in self._groups.values():
                group.reap()
            if beat % int(RETAIN_EVERY_S / REAP_S) == 0:
                self._topics.retain()

    # ---- connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        answers: asyncio.Queue[asyncio.Task[bytes | None]] = asyncio.Queue()
        sending = asyncio.create_task(self._send(answers, writer))
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(4), "big")
                frame = wire.Frame(await reader.readexactly(length))
                answers.put_nowait(asyncio.create_task(self._answer(frame)))
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            sending.cancel()
            writer.close()

    @staticmethod
    async def _send(
        answers: "asyncio.Queue[asyncio.Task[bytes | None]]", writer: asyncio.StreamWriter
    ) -> None:
        """Send answers in the order of their requests, as clients expect."""
        try:
            while True:
                answer = await (await answers.get())
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (wire.NotSpoken, ConnectionError):
            writer.close()

    async def _answer(self, frame: wire.Frame) -> bytes | None:
        if frame.api_key == wire.API_VERSIONS:
            return frame.versions()
        request = frame.decode()
        fields = await self._do[frame.api_key](request, frame)
        return None if fields is None else frame.answer(fields)

    # ---- records

    async def _produce(self, request: Any, _frame: wire.Frame) -> Fields | None:
        answers = [
            (name, [self._append(name, number, raw) for number, raw in partitions])
            for name, partitions in request.topics
        ]
        self._grown.set()
        self._grown = asyncio.Event()
        return None if request.required_acks == 0 else (answers, 0)

    def _append(self, name: str, number: int, raw: bytes) -> Fields:
        log = self._topics.partition(name, number)
        if log is None:
            return (number, UNKNOWN_TOPIC, -1, -1, -1)
        try:
            return (number, 0, log.append(raw), -1, log.start)
        except CorruptBatch:
            return (number, CORRUPT, -1, -1, log.start)

    async def _fetch(self, request: Any, _frame: wire.Frame) -> Fields:
        deadline = time.monotonic() + request.max_wait_time / 1000
        while True:
            grown = self._grown
            answers, size, is_error = self._read_all(request)
            left = deadline - time.monotonic()
            if size >= max(1, request.min_bytes) or is_error or left <= 0:
                return (0, 0, 0, answers)
            try:
                await asyncio.wait_for(grown.wait(), left)
            except TimeoutError:
                continue

    def _read_all(self, request: Any) -> tuple[list[Any], int, bool]:
        size, is_error = 0, False
        answers = []
        for name, partitions in request.topics:
            rows = []
            for number, _epoch, offset, _start, largest in partitions:
                log = self._topics.partition(name, number)
                row = _read(log, number, offset, min(largest, request.max_bytes - size))
                size += len(row[-1])
                is_error = is_error or row[1] != 0
                rows.append(row)
            answers.append((name, rows))
        return answers, size, is_error

    async def _list_offsets(self, request: Any, _frame: wire.Frame) -> Fields:
        answers = []
        for name, partitions in request.topics:
            rows = []
            for number, timestamp in partitions:
                log = self._topics.partition(name, number)
                rows.append(_offset_row(log, number, timestamp))
            answers.append((name, rows))
        return (0, answers)

    # ---- topics

    async def _metadata(self, request: Any, _frame: wire.Frame) -> Fields:
        names = list(self._topics.by_name) if request.topics is None else request.topics
        rows: list[Any] = []
        for name in names:
            topic = self._topics.by_name.get(name)
            if topic is None:
                rows.append((UNKNOWN_TOPIC, name, False, []))
                continue
            count = len(topic.partitions)
            rows.append((0, name, False, [(0, n, NODE, [NODE], [NODE], []) for n in range(count)]))
        return (0, [(NODE, self._host, self._port, None)], CLUSTER, NODE, rows)

    async def _create_topics(self, request: Any, _frame: wire.Frame) -> Fields:
        answers: list[Any] = []
        for name, count, _replicas, assigned, settings in request.create_topic_requests:
            if name in self._topics.by_name:
                answers.append((name, TOPIC_EXISTS, "the topic is there already"))
                continue
            self._topics.create(name, count if count > 0 else len(assigned) or 1, dict(settings))
            answers.append((name, 0, None))
        return (0, answers)

    async def _delete_topics(self, request: Any, _frame: wire.Frame) -> Fields:
        deleted = [(name, self._topics.delete(name)) for name in request.topics]
        return (0, [(name, 0 if was_there else UNKNOWN_TOPIC) for name, was_there in deleted])

    async def _create_partitions(self, request: Any, _frame: wire.Frame) -> Fields:
        answers: list[Any] = []
        for name, wanted in request.topic_partitions:
            if name in self._topics.by_name:
                self._topics.grow(name, wanted[0])
                answers.append((name, 0, None))
            else:
                answers.append((name, UNKNOWN_TOPIC, "there is no such topic"))
        return (0, answers)

    async def _describe_configs(self, request: Any, _frame: wire.Frame) -> Fields:
        answers = []
        for kind, name, wanted in request.resources:
            topic = self._topics.by_name.get(name)
            settings = topic.settings if topic else {}
            rows: list[Any] = [
                (key, value, False, 1, False, [])
                for key, value in settings.items()
                if not wanted or key in wanted
            ]
            answers.append((0, None, kind, name, rows))
        return (0, answers)

    # ---- groups

    def _group(self, name: str) -> Group:
        return self._groups.setdefault(name, Group(name))

    async def _coordinator(self, _request: Any, _frame: wire.Frame) -> Fields:
        return (0, 0, None, NODE, self._host, self._port)

    async def _join(self, request: Any, frame: wire.Frame) -> Fields:
        return (0, *await self._group(request.group).join(request, frame.client))

    async def _sync(self, request: Any, _frame: wire.Frame) -> Fields:
        return (0, *await self._group(request.group).sync(request))

    async def _heartbeat(self, request: Any, _frame: wire.Frame) -> Fields:
        group = self._group(request.group)
        return (0, group.heartbeat(request.member_id, request.generation_id))

    async def _leave(self, request: Any, _frame: wire.Frame) -> Fields:
        self._group(request.group).leave(request.member_id)
        return (0, 0)

    async def _commit(self, request: Any, _frame: wire.Frame) -> Fields:
        group = self._group(request.consumer_group)
        error = group.may_commit(request.consumer_id, request.consumer_group_generation_id)
        answers = []
        for name, partitions in request.topics:
            for number, offset, note in partitions:
                if not error:
                    self._offsets.commit(group.name, name, number, offset, note)
            answers.append((name, [(number, error) for number, _, _ in partitions]))
        return (0, answers)

    async def _committed(self, request: Any, _frame: wire.Frame) -> Fields:
        group = request.consumer_group
        wanted = request.topics
        if wanted is None:
            wanted = list(self._offsets.of_group(group).items())
        answers = [
            (name, [(number, *self._offsets.get(group, name, number), 0) for number in numbers])
            for name, numbers in wanted
        ]
        return (0, answers, 0)

    async def _list_groups(self, _request: Any, _frame: wire.Frame) -> Fields:
        return (0, 0, [(name, "consumer") for name in self._groups])

    async def _describe_groups(self, request: Any, _frame: wire.Frame) -> Fields:
        answers = []
        for name in request.groups:
            group = self._groups.get(name)
            members = [
                (m.id, m.id, "/127.0.0.1", m.protocols.get(group.protocol, b""), m.assignment)
                for m in (group.members.values() if group else ())
                if group
            ]
            state = group.state.value if group else "Dead"
            answers.append((0, name, state, "consumer", group.protocol if group else "", members))
        return (0, answers)

    async def _producer_id(self, _request: Any, _frame: wire.Frame) -> Fields:
        return (0, 0, next(self._producer_ids), 0)


def _read(log: PartitionLog | None, number: int, offset: int, largest: int) -> Fields:
    """Return a partition's row of a Fetch answer; its last field is the records."""
    if log is None:
        return (number, UNKNOWN_TOPIC, -1, -1, -1, [], -1, b"")
    if not log.start <= offset <= log.end:
        return (number, OFFSET_OUT_OF_RANGE, log.end, log.end, log.start, [], -1, b"")
    records = log.read(offset, largest) if largest > 0 and offset < log.end else b""
    return (number, 0, log.end, log.end, log.start, [], -1, records)


def _offset_row(log: PartitionLog | None, number: int, timestamp: int) -> Fields:
    if log is None:
        return (number, UNKNOWN_TOPIC, -1, -1)
    if timestamp == LATEST:
        return (number, 0, -1, log.end)
    if timestamp == EARLIEST:
        return (number, 0, -1, log.start)
    offset, at = log.offset_at(timestamp)
    return (number, 0, at, offset)
