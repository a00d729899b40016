"""Spans reach a collector; one that is away, refuses or never answers disturbs nobody."""

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from chassis import collector as module
from chassis.collector import recording
from chassis.tracing import TRACES
from structlog.testing import capture_logs

from tests.collecting import Collector, standing_collector

ATTEMPT = "03a7e2c4-51d8-4b1f-9c3e-6d2f8a9b0c1d"


@pytest.fixture
def collector(monkeypatch: pytest.MonkeyPatch) -> Iterator[Collector]:
    monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with standing_collector() as standing:
        yield standing


@contextmanager
def at_work(endpoint: str, share: float = 1.0) -> Iterator[list[Any]]:
    """A service that is recorded for the time of the block, and what it logs."""
    with capture_logs() as logged, recording("dialer", "1", endpoint, share):
        yield logged


def originate(times: int = 1) -> None:
    for _ in range(times):
        with TRACES.calling("originate", ATTEMPT):
            pass


def test_what_has_ended_is_sent_at_the_end_at_the_latest(collector: Collector) -> None:
    with at_work(collector.endpoint):
        originate(3)
    assert not TRACES.is_on
    (first, *_) = spans = collector.trace(ATTEMPT)
    assert len(spans) == 3
    assert (first.service, first.name) == ("dialer", "originate")


def test_an_address_may_have_a_path(collector: Collector) -> None:
    with at_work(f"{collector.endpoint}/v1/traces"):
        originate()
    assert collector.trace(ATTEMPT)


def test_of_no_share_nothing_is_sent(collector: Collector) -> None:
    with at_work(collector.endpoint, share=0.0):
        originate()
    assert not collector.spans()


def test_an_error_is_one_by_its_name(collector: Collector) -> None:
    with (
        at_work(collector.endpoint),
        pytest.raises(ValueError, match="15550100011"),
        TRACES.calling("originate", ATTEMPT),
    ):
        raise ValueError("+15550100011")
    (span,) = collector.trace(ATTEMPT)
    assert (span.is_error, span.attributes) == (True, {"error.type": "ValueError"})


def test_a_collector_that_is_away_is_told_once_and_holds_nobody_up(
    collector: Collector, caplog: pytest.LogCaptureFixture
) -> None:
    collector.go_away()
    began = time.monotonic()
    with at_work(collector.endpoint) as logged:
        for _ in range(5):
            originate(1000)
            time.sleep(0.1)
        spent = time.monotonic() - began
        await_event(logged, "traces are lost")
        ending = time.monotonic()
    assert spent < 5.0
    assert time.monotonic() - ending < 5.0
    (warning,) = [line for line in logged if line["log_level"] == "warning"]
    assert warning["event"] == "traces are lost"
    assert "export" in warning["why"]
    assert not [one for one in caplog.records if one.levelno >= logging.WARNING]


def test_a_collector_that_never_answers_does_not_hold_up_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "30")
    monkeypatch.setattr(module, "FLUSHED_WITHIN_S", 1.0)
    collector.is_silent = True
    began = time.monotonic()
    with at_work(collector.endpoint):
        originate()
    assert time.monotonic() - began < 10.0


def test_nothing_is_tried_again_after_the_end(
    collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "30")
    monkeypatch.setattr(module, "FLUSHED_WITHIN_S", 1.0)
    collector.go_away()
    before = set(threading.enumerate())
    with at_work(collector.endpoint):
        originate()
    for left in set(threading.enumerate()) - before:
        left.join(1.0)
        assert not left.is_alive(), left


def test_its_return_is_told(collector: Collector) -> None:
    collector.go_away()
    with at_work(collector.endpoint) as logged:
        originate()
        await_event(logged, "traces are lost")
        collector.come_back()
        originate()
        await_event(logged, "traces are recorded again")
    assert collector.trace(ATTEMPT)


def await_event(logged: list[Any], event: str) -> None:
    deadline = time.monotonic() + 10
    while event not in [line["event"] for line in logged]:
        assert time.monotonic() < deadline, event
        time.sleep(0.02)
