"""One attempt is one trace over all services, found by its id; without a collector all goes on."""

import time
from collections.abc import Iterator

import httpx
import pytest
from campaignctl.stack import Stack

from tests.collecting import CONSUMER, PRODUCER, Collector, Seen
from tests.faults.campaign import Campaign, until

SERVICES = ("campaign-manager", "dialer", "flow-runner")
ANSWERS = "70000"


@pytest.fixture
def campaign(engine: Stack) -> Iterator[Campaign]:
    one = Campaign(engine, 2, endings=(ANSWERS,))
    yield one
    one.close()


def attempts(campaign: Campaign) -> list[str]:
    return [call["id"] for call in campaign.every(f"/campaigns/{campaign.id}/campaigncalls")]


def whole(collector: Collector, attempt_id: str) -> list[Seen]:
    """The trace of an attempt, once the last that each service does in it has come."""
    last = {
        ("dialer", "attempt"),
        ("dialer", "process call.hang_up"),
        ("flow-runner", "process call.hung_up"),
        ("campaign-manager", "process call.settled"),
    }

    def is_whole() -> bool:
        return last <= {(span.service, span.name) for span in collector.trace(attempt_id)}

    until(is_whole, 30, "the whole trace")
    return collector.trace(attempt_id)


def one(trace: list[Seen], service: str, name: str) -> Seen:
    (span,) = [span for span in trace if (span.service, span.name) == (service, name)]
    return span


def test_an_attempt_is_one_trace_through_all_services(
    collector: Collector, campaign: Campaign
) -> None:
    campaign.start()
    campaign.await_end()
    trace = whole(collector, attempts(campaign)[0])
    assert {span.service for span in trace} == set(SERVICES)
    root = one(trace, "dialer", "attempt")
    assert root.parent == ""
    assert root.attributes["campaign_engine.campaign_id"] == campaign.id
    assert root.attributes["campaign_engine.outcome"] == "answered"
    ids = {span.id for span in trace}
    assert len(ids) == len(trace)
    assert not [span for span in trace if span is not root and span.parent not in ids]
    path = [
        ("dialer", "create call.answered"),
        ("flow-runner", "process call.answered"),
        ("flow-runner", "create call.play"),
        ("dialer", "process call.play"),
    ]
    parent = root
    for service, name in path:
        span = one(trace, service, name)
        assert span.parent == parent.id, name
        parent = span
    assert one(trace, "dialer", "originate").parent == root.id
    hung_up = one(trace, "dialer", "process call.hang_up")
    assert hung_up.parent == one(trace, "flow-runner", "create call.hang_up").id
    assert not [span for span in trace if span.is_error or span.seconds < 0]


def test_messages_are_described_as_the_conventions_say(
    collector: Collector, campaign: Campaign
) -> None:
    campaign.start()
    campaign.await_end()
    trace = whole(collector, attempts(campaign)[0])
    told, heard = (
        one(trace, service, f"{verb} call.answered")
        for service, verb in (("dialer", "create"), ("flow-runner", "process"))
    )
    assert (told.kind, heard.kind) == (PRODUCER, CONSUMER)
    for span, operation in ((told, "create"), (heard, "process")):
        assert span.attributes["messaging.system"] == "kafka"
        assert span.attributes["messaging.operation.type"] == operation
        assert span.attributes["messaging.destination.name"] == "call.events"
    assert heard.attributes["messaging.consumer.group.name"] == "flow-runner"
    assert told.attributes["messaging.message.id"] == heard.attributes["messaging.message.id"]


def test_no_number_is_in_a_span(collector: Collector, campaign: Campaign) -> None:
    campaign.start()
    campaign.await_end()
    whole(collector, attempts(campaign)[0])
    numbers = {line["number"].lstrip("+") for line in campaign.rings()}
    assert numbers
    sent = b"".join(collector.bodies())
    assert not [number for number in numbers if number.encode() in sent]


def test_a_client_finds_what_it_asked_for_in_its_own_trace(
    collector: Collector, engine: Stack, campaign: Campaign
) -> None:
    trace, span = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    answer = httpx.put(
        f"{engine.api_url}/v1.0/campaigns/{campaign.id}/status",
        json={"status": "run"},
        headers={**campaign.headers, "traceparent": f"00-{trace}-{span}-01"},
        trust_env=False,
    )
    assert answer.status_code == 200
    campaign.await_end()
    until(lambda: len(collector.trace(trace)) >= 2, 10, "the request and its event")
    asked = one(collector.trace(trace), "campaign-manager", "PUT /campaigns/{id_}/status")
    assert asked.parent == span
    assert asked.attributes["http.response.status_code"] == "200"
    told = one(collector.trace(trace), "campaign-manager", "create campaign.status_changed")
    assert told.parent == asked.id


def test_without_its_collector_the_engine_runs_as_ever(
    collector: Collector, engine: Stack, campaign: Campaign
) -> None:
    collector.go_away()
    try:
        began = time.monotonic()
        campaign.start()
        campaign.await_end()
        assert time.monotonic() - began < 20
        campaign.verify()
        until(lambda: "traces are lost" in said(engine), 20, "a word about it")
    finally:
        collector.come_back()
    another = Campaign(engine, 1, endings=(ANSWERS,))  # there must be something left to tell
    another.start()
    until(lambda: "traces are recorded again" in said(engine), 20, "a word about its return")
    another.await_end()
    another.close()
    assert said(engine).count("traces are lost") == 1
    assert "opentelemetry" not in said(engine)


def said(engine: Stack) -> str:
    return (engine.logs / "dialer.log").read_text(encoding="utf-8")
