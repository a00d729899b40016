"""The store of the simulation is held to the real Redis: the same commands, the same answers."""

import itertools
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.exceptions import ResponseError

from tests.simulation.store import Store

KEYS = ("s", "z", "e", "x", "a")
KEY, MEMBER = st.sampled_from(KEYS), st.sampled_from(("m", "n", "o"))
SCORE = st.sampled_from(("1", "2", "2", "10", "1795461127472492"))
BOUND = st.sampled_from(("-inf", "+inf", "1", "2", "(2", "(1", "10"))
RANK = st.sampled_from(("0", "1", "-1", "-2", "5"))
PLACE = st.sampled_from(("-", "+", "5-0", "7-0", "7"))


def a_command(name: str, *words: Any) -> st.SearchStrategy[tuple[str, ...]]:
    given_words = [st.just(word) if isinstance(word, str) else word for word in words]
    return st.tuples(st.just(name), *given_words)


COMMANDS = st.one_of(
    a_command("GET", KEY),
    a_command("MGET", KEY, KEY),
    a_command("SET", KEY, MEMBER),
    a_command("SET", KEY, MEMBER, "NX"),
    a_command("SET", KEY, MEMBER, "PX", "100000"),
    a_command("DEL", KEY),
    a_command("PEXPIRE", KEY, "100000"),
    a_command("PTTL", st.just("never")),
    a_command("ZADD", KEY, SCORE, MEMBER),
    a_command("ZADD", KEY, "XX", SCORE, MEMBER),
    a_command("ZADD", KEY, "NX", SCORE, MEMBER),
    a_command("ZREM", KEY, MEMBER),
    a_command("ZCARD", KEY),
    a_command("ZSCORE", KEY, MEMBER),
    a_command("ZCOUNT", KEY, BOUND, BOUND),
    a_command("ZRANGEBYSCORE", KEY, BOUND, BOUND),
    a_command("ZRANGEBYSCORE", KEY, BOUND, BOUND, "LIMIT", "0", "1"),
    a_command("ZRANGEBYSCORE", KEY, BOUND, BOUND, "WITHSCORES", "LIMIT", "1", "2"),
    a_command("ZREMRANGEBYSCORE", KEY, BOUND, BOUND),
    a_command("ZRANGE", KEY, RANK, RANK),
    a_command("ZRANGE", KEY, RANK, RANK, "WITHSCORES"),
    a_command("ZREVRANGE", KEY, RANK, RANK, "WITHSCORES"),
    a_command("ZPOPMIN", KEY, "2"),
    a_command("SADD", KEY, MEMBER, MEMBER),
    a_command("SREM", KEY, MEMBER),
    a_command("SMEMBERS", KEY),
    a_command("XADD", KEY, st.sampled_from(("5-0", "7-0", "9-0")), "f", MEMBER),
    a_command("XRANGE", KEY, PLACE, PLACE),
    a_command("XREVRANGE", KEY, PLACE, PLACE, "COUNT", "1"),
    a_command("XDEL", KEY, st.sampled_from(("5-0", "7-0"))),
    a_command("XTRIM", KEY, "MINID", st.sampled_from(("5-0", "7-0"))),
)
ECHO = """
local said = {}
for n = 1, #ARGV do
  local words = {}
  for word in string.gmatch(ARGV[n], '%S+') do words[#words + 1] = word end
  words[2] = KEYS[1] .. words[2]
  local answer = redis.pcall(unpack(words))
  if words[1] == 'SMEMBERS' and not answer.err then table.sort(answer) end
  said[n] = type(answer) == 'table' and answer.err and 'error' or answer
  if said[n] == false then said[n] = 'nil' end
end
return said
"""
fresh = itertools.count()


@pytest.fixture(scope="module")
def real(redis_url: str) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_url) as client:
        yield client


def answer_of(ask: Callable[[], Any]) -> Any:
    try:
        said = ask()
    except (ResponseError, ValueError):
        return "refused"
    return sorted(said) if isinstance(said, set) else said


def a_store() -> Store:
    return Store(lambda: time.time_ns() // 1000)


@settings(
    max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands=st.lists(COMMANDS, min_size=1, max_size=12))
def test_a_script_hears_the_same_from_both(real: redis.Redis, commands: list[Any]) -> None:
    """By way of Lua: so the answers are compared as scripts and as clients hear them."""
    prefix, store = f"simulation-{next(fresh)}-{time.time_ns()}:", a_store()
    asked = [" ".join(words) for words in commands]
    expected = answer_of(lambda: real.eval(ECHO, 1, prefix, *asked))
    assert answer_of(lambda: store.run(ECHO, [prefix], asked)) == expected
    real.delete(*(prefix + key for key in KEYS))


@pytest.mark.parametrize(
    "text",
    [
        "return {1, 'two', false, 'never heard'}",
        "return true",
        "return false",
        "return 3.7",
        "return redis.error_reply('EPOCH is another')",
        "return {ok = 'fine'}",
        "return redis.call('SET', KEYS[1], ARGV[1])",
        "return redis.pcall('NOSUCH', 'x')",
        "return cjson.decode(ARGV[2]).is_open and cjson.decode(ARGV[2]).number",
        "local last = table.remove(ARGV) return {last, #ARGV}",
        "return string.format('%.0f', 1795461127472492)",
        "return tostring(redis.call('GET', KEYS[1]))",
        "return {tonumber('12') + 1, 10 .. '|'}",
    ],
)
def test_what_scripts_return_is_heard_alike(real: redis.Redis, text: str) -> None:
    store, key = a_store(), f"simulation-{time.time_ns()}"
    words = ["a word", '{"is_open": true, "number": 7, "deep": {"x": 1}}']
    expected = answer_of(lambda: real.eval(text, 1, key, *words))
    if isinstance(expected, str):
        expected = expected.encode() if expected != "refused" else expected
    assert answer_of(lambda: store.run(text, [key], words)) == expected
    real.delete(key)


def test_what_has_an_end_is_gone_after_it() -> None:
    now = [0]
    store = Store(lambda: now[0])
    store.execute("SET", "k", "v", "PX", "5")
    now[0] = 4_999
    assert store.execute("GET", "k") == b"v"
    now[0] = 5_000
    assert store.execute("GET", "k") is None
