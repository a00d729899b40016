"""Shards are for ever: where a thing lives must not change between versions."""

import pytest
from aiokafka.partitioner import DefaultPartitioner
from chassis.outbox import record_of, stream_id
from chassis.shards import (
    SHARDS,
    lease_key,
    outbox_key,
    partition_of,
    published_key,
    shard_of,
    shards_of,
)
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("id_", "shard"),
    [
        ("40bea034-1d17-474d-a5de-da00d0861c69", "dialing-5"),
        ("183c0d5c-691e-42f3-af2b-9bffc2740f83", "dialing-6"),
        ("", "dialing-0"),
    ],
)
def test_a_thing_stays_in_its_shard_for_ever(id_: str, shard: str) -> None:
    assert shard_of("dialing", id_) == shard


@given(st.text())
def test_every_id_has_one_of_the_shards(id_: str) -> None:
    assert shard_of("flow", id_) in shards_of("flow")
    assert len(set(shards_of("flow"))) == SHARDS


def test_a_namespace_may_be_a_single_shard() -> None:
    assert shards_of("definitions!") == ("definitions",)


def test_the_keys_of_a_shard_share_its_slot() -> None:
    for key in (outbox_key, published_key, lease_key):
        assert key("flow-3").startswith("{flow-3}:")


@given(st.tuples(st.integers(0, 2**48), st.integers(0, 2**32)))
def test_a_stream_id_reads_as_two_numbers(pair: tuple[int, int]) -> None:
    assert stream_id(f"{pair[0]}-{pair[1]}") == stream_id(f"{pair[0]}-{pair[1]}".encode()) == pair


def test_stream_ids_compare_as_numbers() -> None:
    assert stream_id(b"9-10") < stream_id("10-9") < stream_id("10-10")


def test_a_body_may_hold_the_separator() -> None:
    assert record_of(b"12|operation|a|b||") == (12, b"a|b||")
    assert record_of(None) is None


@given(st.text(min_size=1), st.integers(min_value=1, max_value=50))
def test_a_key_goes_where_the_producer_puts_it(key: str, count: int) -> None:
    everywhere = list(range(count))
    assert partition_of(key, count) == DefaultPartitioner()(key.encode(), everywhere, everywhere)
