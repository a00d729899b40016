"""The state that the log tells beside the state that Redis holds, with every difference named.

Both are compared as what they mean: versions of records are left out, and so are keys that say
nothing that lasts. A live system moves on meanwhile, so what differs is looked at again after more
of the log has been read; only what goes on differing is a difference.
"""

import asyncio
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chassis import epoch as epochs
from chassis.connections import Connections
from chassis.epoch import Epoch
from chassis.restoring import Command
from chassis.store import connect
from redis.asyncio import Redis

from campaignctl.log import Log
from campaignctl.rebuilding import Folding
from campaignctl.replaying import differences

LOOKS = 3
LOOKED_EVERY_S = 2.0
READ_AT_ONCE = 100
PASSING = re.compile(
    r":(outbox|published|relay|alive|epoch|now|rate|dialing|call|rebuild|workers|pause|clock|order"
    r"|pace)$|^\{epoch\}|^\{relays"
)
"""Keys that say nothing that lasts, or that only help to find what other keys hold."""
WAITS = re.compile(r":(due|claims|deferred)(:|$)")
"""Where a target may wait: one of them is as good as another."""
ONLY_THERE = re.compile(r":(attempt|run):")
"""Records that a rebuild makes otherwise on purpose: that they are there is what counts."""
PASSING_FIELDS = frozenset({"seen", "sequence", "tickets", "last_ticket", "tries", "resting"})
GONE = "nothing"

State = dict[str, Any]


Parts = dict[str, tuple[Any, Any]]
"""Where two values differ: the member or the place, and what each of them has there."""


@dataclass(frozen=True, slots=True)
class Difference:
    """Something that the log tells otherwise than Redis has it."""

    key: str
    log: Any
    redis: Any
    parts: Parts

    def as_json(self) -> dict[str, Any]:
        """Return it for programs."""
        return {
            "key": self.key,
            "differs_in": list(self.parts),
            "log": self.log,
            "redis": self.redis,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """What a comparison has found.

    Attributes:
        messages: How many were folded.
        compared: How many keys were looked at.
        found: The differences that stayed.
    """

    messages: int
    compared: int
    found: list[Difference]


async def compare(bootstrap: str, redis_url: str) -> Comparison:
    """Return how the log and Redis differ.

    Args:
        bootstrap: Kafka's address.
        redis_url: Redis's.

    Raises:
        Lost: Redis is empty, was restarted or replaced: it needs a rebuild first.
    """
    redis, folding = connect(Connections(redis_url=redis_url).redis), Folding()
    try:
        await epochs.adopt(redis, Epoch())
        async with Log(bootstrap) as log:
            compared, found = 0, list[Difference]()
            for look in range(LOOKS):
                await asyncio.sleep(LOOKED_EVERY_S if look else 0)
                await _read(log, folding)
                told, held = state_of(folding.commands()), await _held(redis)
                compared = len(told.keys() | held.keys())
                now = list(compare_states(told, held))
                found = lasting(found, now) if look else now
                if not found:
                    break
        return Comparison(folding.messages, compared, found)
    finally:
        await redis.aclose()


async def _read(log: Log, folding: Folding) -> None:
    ends = await log.unread()
    while ends:
        for records in await log.read(ends):
            folding.take(records)


def compare_states(told: Mapping[str, Any], held: Mapping[str, Any]) -> Iterator[Difference]:
    """Yield what two states hold otherwise, by key."""
    for key in sorted(told.keys() | held.keys()):
        if key in told and key in held and ONLY_THERE.search(key):
            continue
        one, other = told.get(key, GONE), held.get(key, GONE)
        if ONLY_THERE.search(key) and one == GONE:
            continue  # what is over is kept for a day
        if parts := parts_of(one, other):
            yield Difference(key, one, other, parts)


def parts_of(log: Any, redis: Any) -> Parts:
    """Return where two values differ; lists are compared as sets of members."""
    if not isinstance(log, list) and not isinstance(redis, list):
        return {place or "all": (one, other) for place, one, other in differences(log, redis)}
    told, held = (set(one) if isinstance(one, list) else set() for one in (log, redis))
    return {
        member: ("there", GONE) if member in told else (GONE, "there")
        for member in sorted(told ^ held)
    }


def lasting(before: Iterable[Difference], now: Iterable[Difference]) -> list[Difference]:
    """Return what still differs, and just as it did before: what moves on is only on its way."""
    known = {(one.key, place): values for one in before for place, values in one.parts.items()}
    kept = [
        replace(one, parts={
            place: values
            for place, values in one.parts.items()
            if known.get((one.key, place)) == values
        })
        for one in now
    ]  # fmt: skip
    return [one for one in kept if one.parts]


# ---- what the log tells


def state_of(commands: Iterable[Command]) -> State:
    """Return the state that the commands of a rebuild make."""
    state: State = {}
    for name, key, *words in commands:
        place = _place(str(key))
        if place is None:
            continue
        match name:
            case "SET":
                state[place] = _record(bytes(words[0]))  # type: ignore[arg-type]
            case "ZADD":
                state.setdefault(place, []).append(_text(words[1]))
            case "SADD":
                state.setdefault(place, []).append(_text(words[0]))
            case _:
                continue
    return _sorted(state)


def _place(key: str) -> str | None:
    """Return under which name a key is compared; None: it is not."""
    if PASSING.search(key) or re.match(r"^\{flow-\d+\}:due$", key):
        return None
    if WAITS.search(key):
        return WAITS.split(key)[0] + ":waits"
    return key


def _record(stored: bytes) -> Any:
    body = stored.split(b"|", 2)[-1]
    if body[:1] not in (b"{", b"["):
        return body.decode(errors="replace")
    value = json.loads(body)
    return _lasting(value) if isinstance(value, dict) else value


def _lasting(value: dict[str, Any]) -> dict[str, Any]:
    return {
        name: one for name, one in value.items() if name not in PASSING_FIELDS and one is not None
    }


def _text(word: Any) -> str:
    return word.decode() if isinstance(word, bytes) else str(word)


def _sorted(state: State) -> State:
    return {key: sorted(one) if isinstance(one, list) else one for key, one in state.items()}


# ---- what Redis holds


async def _held(redis: Redis) -> State:
    state: State = {}
    keys: list[str] = []
    async for raw in redis.scan_iter(match="{*", count=READ_AT_ONCE):
        keys.append(raw.decode())
        if len(keys) >= READ_AT_ONCE:
            await _take(redis, keys, state)
            keys.clear()
    await _take(redis, keys, state)
    return _sorted(state)


async def _take(redis: Redis, keys: Iterable[str], state: State) -> None:
    wanted = [(key, place) for key in keys if (place := _place(key)) is not None]
    kinds = await asyncio.gather(*(redis.type(key) for key, _ in wanted))
    for (key, place), kind in zip(wanted, kinds, strict=True):
        match kind:
            case b"string":
                value: Any = await redis.get(key)
                if value is not None:
                    state[place] = _record(value)
            case b"zset":
                members: Any = await redis.zrange(key, 0, -1)
                state.setdefault(place, []).extend(map(_text, members))
            case b"set":
                found: Any = await redis.smembers(key)
                state.setdefault(place, []).extend(map(_text, found))
            case _:
                continue
