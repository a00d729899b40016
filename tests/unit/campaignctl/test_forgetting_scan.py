"""What is found of a number, in a log and a Redis made up for it."""

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from campaignctl.forgetting import Found, Goes, Refused, Spelling, erase, scan

NUMBER = "+12125550100"
PLACE = TopicPartition("any", 0)


class Log:
    """Gives all records at once."""

    def __init__(self, *records: Any) -> None:
        self._records = list(records)

    async def unread(self) -> dict[TopicPartition, int]:
        return {PLACE: len(self._records)}

    async def read(self, ends: dict[TopicPartition, int]) -> list[list[Any]]:
        ends.clear()
        return [self._records]


class Redis:
    """Strings, and how long each is kept."""

    def __init__(self, stored: dict[str, bytes], kept: frozenset[str] = frozenset()) -> None:
        self._stored, self._kept = stored, kept

    async def scan_iter(self, **_: Any) -> AsyncIterator[bytes]:
        for key in self._stored:
            yield key.encode()

    async def mget(self, keys: list[str]) -> list[bytes]:
        return [self._stored[key] for key in keys]

    async def pttl(self, key: str) -> int:
        return 5000 if key in self._kept else -1


def message(topic: str, key: str, body: Any, type_: str = "") -> Any:
    value = None if body is None else json.dumps({"data": body}).encode()
    headers = (("ce_type", type_.encode()),)
    return SimpleNamespace(
        topic=topic, key=key.encode(), value=value, timestamp=1_000, headers=headers
    )


def target(address: str) -> Any:
    return message("target.events", "target-1", {"target": {"outdial_id": "o", "to": address}})


async def found(log: Log, redis: Redis | None = None) -> Found:
    either: Any = log
    store: Any = redis or Redis({})
    return await scan(either, store, Spelling(NUMBER))


async def test_a_target_counts_as_long_as_its_last_message_names_the_number() -> None:
    one = await found(Log(target("+1999"), target(NUMBER)))
    assert one.targets == {"target-1": "o"}
    assert [(t.count, t.goes) for t in one.traces({})] == [(1, Goes.ERASED)]
    other = await found(Log(target(NUMBER), target("forgotten")))
    assert other.targets == {}
    assert [(t.count, t.goes) for t in other.traces({})] == [(1, Goes.BY_COMPACTION)]


async def test_a_tombstone_is_no_last_message() -> None:
    key = f"customer-1/{NUMBER}"
    one = await found(Log(message("number.events", key, {}), message("number.events", key, None)))
    assert one.owners == {"customer-1"}
    assert [(t.count, t.goes) for t in one.traces({})] == [(2, Goes.BY_COMPACTION)]


async def test_dead_letters_and_calls_stay_until_their_time_is_over() -> None:
    attempt = {"attempt_id": "00-1", "customer_id": "customer-1", "to": NUMBER}
    dialing = message("call.events", "00-1", {"attempt": attempt}, "call.dialing")
    one = await found(Log(dialing, message("call.events.dead-letter", "x", NUMBER)))
    assert one.attempts == {"00-1": "customer-1"}
    assert {t.goes for t in one.traces({})} == {Goes.BY_TIME}


async def test_a_record_without_an_end_is_a_call_that_is_not_over() -> None:
    body = b"7|it|" + json.dumps({"to": NUMBER}).encode()
    keys = ("{dialing-0}:attempt:00-1", "{dialing-0}:attempt:00-2")
    redis = Redis(dict.fromkeys(keys, body), frozenset(keys[1:]))
    one = await found(Log(), redis)
    assert (one.open, one.ended) == ({keys[0]}, {keys[1]})
    nothing: Any = None
    with pytest.raises(Refused):
        await erase(nothing, nothing, one, Spelling(NUMBER))


async def test_what_is_no_targets_is_named_and_left() -> None:
    body = b"3|it|" + json.dumps({"addresses": [{"target": NUMBER}]}).encode()
    one = await found(Log(), Redis({"{definitions}:agent:a": body}))
    assert [(t.where, t.goes) for t in one.traces({})] == [("redis: agent", Goes.BY_HAND)]


async def test_an_entry_on_a_list_is_kept_on_purpose() -> None:
    key = f"{{number-1}}:number:customer-1/{NUMBER}:lists"
    listed = message("number.events", f"customer-1/{NUMBER}", {})
    one = await found(Log(listed), Redis({key: b'1|it|["list"]'}))
    assert {t.goes for t in one.traces({})} == {Goes.ON_LIST}
    assert not any(trace.is_left for trace in one.traces({}))
