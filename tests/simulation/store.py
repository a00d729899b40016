"""A small Redis in memory that runs the real Lua scripts; held to the real one by a test.

Only what the engine uses is here; an unknown command or option is an error.
"""

import json
from collections.abc import Callable, Sequence
from typing import Any

from lupa.lua51 import LuaRuntime
from redis.exceptions import ResponseError

Word = bytes
ENDS_OF_STREAMS = {b"-": (0, 0), b"+": (1 << 62, 0)}


def words_of(values: Sequence[Any]) -> list[Word]:
    """Return arguments as Redis gets them on its wire."""
    return [_word(value) for value in values]


def _word(value: Any) -> Word:
    if isinstance(value, bytes):
        return value
    if isinstance(value, float):
        return b"%d" % value if value.is_integer() else repr(value).encode()
    return str(value).encode()


class SortedSet(dict[bytes, float]):
    """Members with scores."""

    def in_order(self) -> list[tuple[bytes, float]]:
        return sorted(self.items(), key=lambda row: (row[1], row[0]))


class Stream(list[tuple[tuple[int, int], list[bytes]]]):
    """Entries in the order of their ids."""

    last = (0, 0)


def _bound(word: bytes) -> tuple[float, bool]:
    """Return a bound of scores, and whether the bound itself is out."""
    is_open = word.startswith(b"(")
    return float(word[1:] if is_open else word), is_open


def _shown(score: float) -> bytes:
    return b"%d" % score if score.is_integer() else repr(score).encode()


def _stream_id(word: bytes, default: int = 0) -> tuple[int, int]:
    if word in ENDS_OF_STREAMS:
        return ENDS_OF_STREAMS[word]
    first, _, second = word.partition(b"-")
    return int(first), int(second) if second else default


class Store:
    """Keys and values, by a clock of its own."""

    def __init__(self, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self.values: dict[bytes, Any] = {}
        self._ends: dict[bytes, int] = {}
        self.on_entry: Callable[[], None] = lambda: None
        self._scripts: dict[str, Any] = {}
        self._decoded: dict[bytes, Any] = {}
        self._lua = LuaRuntime(encoding=None)
        lua: Any = self._lua.globals()
        reply = self._lua.execute(b"return function(text) return {err = text} end")
        lua[b"redis"] = self._lua.table_from(
            {b"call": self._call, b"pcall": self._pcall, b"error_reply": reply}
        )
        lua[b"cjson"] = self._lua.table_from({b"decode": self._decode})

    # ---- scripts

    def run(self, text: str, keys: Sequence[Any], args: Sequence[Any]) -> Any:
        """Run a script and return its answer, as a client hears it."""
        script = self._scripts.get(text)
        if script is None:
            source = b"return function(KEYS, ARGV)\n" + text.encode() + b"\nend"
            script = self._scripts[text] = self._lua.execute(source)
        answer = script(self._lua.table_from(words_of(keys)), self._lua.table_from(words_of(args)))
        return self._heard(answer)

    def _heard(self, answer: Any) -> Any:
        if answer is None or answer is False:
            return None
        if answer is True:
            return 1
        if isinstance(answer, int | float):
            return int(answer)
        if isinstance(answer, bytes):
            return answer
        if (error := answer[b"err"]) is not None:
            raise ResponseError(error.decode())
        if (status := answer[b"ok"]) is not None:
            return status
        heard = []
        for n in range(1, len(answer) + 1):
            heard.append(self._heard(answer[n]))
        return heard

    def _call(self, *words: Any) -> Any:
        return self._told(self.execute(*words))

    def _pcall(self, *words: Any) -> Any:
        try:
            return self._call(*words)
        except ResponseError as error:
            return self._lua.table_from({b"err": str(error).encode()})

    def _told(self, answer: Any) -> Any:
        if answer is None:
            return False
        if isinstance(answer, list):
            return self._lua.table_from([self._told(one) for one in answer])
        if isinstance(answer, str):
            return self._lua.table_from({b"ok": answer.encode()})
        return answer

    def _decode(self, body: bytes) -> Any:
        """Return what is simple in a JSON object: no script looks deeper."""
        found = self._decoded.get(body)
        if found is None:
            simple = {
                name.encode(): value.encode() if isinstance(value, str) else value
                for name, value in json.loads(body).items()
                if not isinstance(value, dict | list)
            }
            found = self._decoded[body] = self._lua.table_from(simple)
        return found

    # ---- commands

    def execute(self, *words: Any) -> Any:
        """Execute a command; None for nil, a list for an array, a text for a status."""
        name, *rest = words_of(words)
        command = getattr(self, f"_{name.decode().lower()}", None)
        if command is None:
            raise ResponseError(f"unknown command {name!r}")
        return command(*rest)

    def _at(self, key: bytes, kind: Any = None) -> Any:
        if self._ends.get(key, 1 << 62) <= self._now_us():
            self._remove(key)
        value = self.values.get(key)
        if value is None:
            return kind() if kind else None
        if kind and type(value) is not kind:
            raise ResponseError("WRONGTYPE Operation against a key holding the wrong kind of value")
        return value

    def _keep(self, key: bytes, value: Any) -> None:
        if isinstance(value, Stream) or len(value):
            self.values[key] = value
        else:
            self._remove(key)

    def _remove(self, key: bytes) -> int:
        self._ends.pop(key, None)
        return int(self.values.pop(key, None) is not None)

    def _time(self) -> list[bytes]:
        seconds, micros = divmod(self._now_us(), 1_000_000)
        return [b"%d" % seconds, b"%d" % micros]

    def _get(self, key: bytes) -> Any:
        return self._at(key, bytes) or None

    def _mget(self, *keys: bytes) -> list[Any]:
        return [value if isinstance(value := self._at(key), bytes) else None for key in keys]

    def _set(self, key: bytes, value: bytes, *options: bytes) -> Any:
        rest = [option.upper() for option in options]
        if b"NX" in rest:
            if self._at(key) is not None:
                return None
            rest.remove(b"NX")
        self._remove(key)
        self.values[key] = value
        match rest:
            case [b"PX", lasting]:
                self._ends[key] = self._now_us() + int(lasting) * 1000
            case []:
                pass
            case _:
                raise ResponseError("syntax error")
        return "OK"

    def _del(self, *keys: bytes) -> int:
        return sum(self._remove(key) for key in keys if self._at(key) is not None)

    def _pexpire(self, key: bytes, lasting: bytes) -> int:
        if self._at(key) is None:
            return 0
        self._ends[key] = self._now_us() + int(lasting) * 1000
        return 1

    def _pttl(self, key: bytes) -> int:
        if self._at(key) is None:
            return -2
        return (self._ends[key] - self._now_us()) // 1000 if key in self._ends else -1

    def _publish(self, _channel: bytes, _word: bytes) -> int:
        return 0

    def _sadd(self, key: bytes, *members: bytes) -> int:
        value = self._at(key, set)
        before = len(value)
        value.update(members)
        self._keep(key, value)
        return len(value) - before

    def _srem(self, key: bytes, *members: bytes) -> int:
        value = self._at(key, set)
        before = len(value)
        value.difference_update(members)
        self._keep(key, value)
        return before - len(value)

    def _smembers(self, key: bytes) -> list[bytes]:
        return sorted(self._at(key, set))

    # ---- sorted sets

    def _zadd(self, key: bytes, *words: bytes) -> int:
        value, rest = self._at(key, SortedSet), list(words)
        only = rest.pop(0).upper() if rest[0].upper() in (b"XX", b"NX") else b""
        before = len(value)
        for score, member in zip(rest[::2], rest[1::2], strict=True):
            if only != (b"NX" if member in value else b"XX"):
                value[member] = float(score)
        self._keep(key, value)
        return len(value) - before

    def _zrem(self, key: bytes, *members: bytes) -> int:
        value = self._at(key, SortedSet)
        gone = sum(value.pop(member, None) is not None for member in members)
        self._keep(key, value)
        return gone

    def _zcard(self, key: bytes) -> int:
        return len(self._at(key, SortedSet))

    def _zscore(self, key: bytes, member: bytes) -> Any:
        score = self._at(key, SortedSet).get(member)
        return None if score is None else _shown(score)

    def _between(self, key: bytes, low: bytes, high: bytes) -> list[tuple[bytes, float]]:
        (least, without_least), (most, without_most) = _bound(low), _bound(high)
        return [
            (member, score)
            for member, score in self._at(key, SortedSet).in_order()
            if least <= score <= most
            and not (without_least and score == least)
            and not (without_most and score == most)
        ]

    def _zcount(self, key: bytes, low: bytes, high: bytes) -> int:
        return len(self._between(key, low, high))

    def _zrangebyscore(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[Any]:
        rows, words = self._between(key, low, high), [word.upper() for word in options]
        if b"LIMIT" in words:
            start, count = words[words.index(b"LIMIT") + 1 :][:2]
            rows = rows[int(start) : int(start) + int(count)]
        if b"WITHSCORES" in words:
            return [word for member, score in rows for word in (member, _shown(score))]
        return [member for member, _ in rows]

    def _zremrangebyscore(self, key: bytes, low: bytes, high: bytes) -> int:
        value, rows = self._at(key, SortedSet), self._between(key, low, high)
        for member, _ in rows:
            del value[member]
        self._keep(key, value)
        return len(rows)

    def _zrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[Any]:
        return self._ranked(self._at(key, SortedSet).in_order(), start, stop, options)

    def _zrevrange(self, key: bytes, start: bytes, stop: bytes, *options: bytes) -> list[Any]:
        return self._ranked(self._at(key, SortedSet).in_order()[::-1], start, stop, options)

    def _ranked(
        self, rows: list[tuple[bytes, float]], start: bytes, stop: bytes, options: Sequence[bytes]
    ) -> list[Any]:
        first, last = int(start), int(stop)
        first = max(0, first + len(rows)) if first < 0 else first
        last = last + len(rows) if last < 0 else last
        chosen = rows[first : last + 1]
        if options:
            return [word for member, score in chosen for word in (member, _shown(score))]
        return [member for member, _ in chosen]

    def _zpopmin(self, key: bytes, count: bytes) -> list[Any]:
        value = self._at(key, SortedSet)
        rows = value.in_order()[: int(count)]
        for member, _ in rows:
            del value[member]
        self._keep(key, value)
        return [word for member, score in rows for word in (member, _shown(score))]

    # ---- streams

    def _xadd(self, key: bytes, at: bytes, *words: bytes) -> bytes:
        value = self._at(key, Stream)
        now_ms, (last_ms, last) = self._now_us() // 1000, value.last
        if at == b"*":
            id_ = (now_ms, 0) if now_ms > last_ms else (last_ms, last + 1)
        else:
            id_ = _stream_id(at)
            if id_ <= value.last:
                raise ResponseError("ERR The ID specified in XADD is equal or smaller than the ...")
        value.append((id_, list(words)))
        value.last = id_
        self.values[key] = value
        self.on_entry()
        return b"%d-%d" % id_

    def _xrange(self, key: bytes, low: bytes, high: bytes, *options: bytes) -> list[Any]:
        least, most = _stream_id(low), _stream_id(high, 1 << 62)
        rows = [row for row in self._at(key, Stream) if least <= row[0] <= most]
        if options:
            rows = rows[: int(options[1])]
        return [[b"%d-%d" % id_, list(words)] for id_, words in rows]

    def _xrevrange(self, key: bytes, high: bytes, low: bytes, *options: bytes) -> list[Any]:
        rows = self._xrange(key, low, high)[::-1]
        return rows[: int(options[1])] if options else rows

    def _xdel(self, key: bytes, *ids: bytes) -> int:
        value: Stream = self._at(key, Stream)
        gone = {_stream_id(id_) for id_ in ids}
        before = len(value)
        value[:] = [row for row in value if row[0] not in gone]
        return before - len(value)

    def _xtrim(self, key: bytes, _minid: bytes, least: bytes) -> int:
        value: Stream = self._at(key, Stream)
        before = len(value)
        value[:] = [row for row in value if row[0] >= _stream_id(least)]
        return before - len(value)
