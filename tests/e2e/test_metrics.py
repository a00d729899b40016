"""What the programs measure is what has happened: counted beside the API and the network."""

from collections import Counter
from collections.abc import Iterator

import httpx
import pytest
from campaignctl.metrics_page import families
from campaignctl.programs import HOST
from campaignctl.stack import Stack
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.campaign import Campaign, until

P = "campaign_engine_"
PROGRAMS = ("campaign-manager", "dialer", "flow-runner")
Measured = Counter[tuple[str, tuple[tuple[str, str], ...]]]


@pytest.fixture
def campaign(engine: Stack) -> Iterator[Campaign]:
    one = Campaign(engine, 24, per_second=40)
    yield one
    one.close()


def measured(engine: Stack, name: str) -> Measured:
    """What a program measures now: each series with its labels."""
    port = engine.programs[name].port
    text = httpx.get(f"http://{HOST}:{port}/metrics", trust_env=False).text
    return Counter(
        {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }
    )


def of(series: Measured, name: str, **labels: str) -> float:
    return sum(
        value
        for (found, known), value in series.items()
        if found == f"{P}{name}" and labels.items() <= dict(known).items()
    )


def test_a_campaign_is_counted_as_it_was(engine: Stack, campaign: Campaign) -> None:
    before = {name: measured(engine, name) for name in PROGRAMS}
    campaign.start()
    until(lambda: of(measured(engine, "dialer"), "open_calls") > 0, 20, "calls are open")
    campaign.await_end()
    calls = campaign.every(f"/campaigns/{campaign.id}/campaigncalls")
    dialer = measured(engine, "dialer") - before["dialer"]
    assert of(dialer, "attempts_total") == len(calls)
    assert of(dialer, "originations_total", answer="accepted") == len(campaign.rings())
    assert of(dialer, "permits_total", answer="go") >= len(campaign.rings())
    relayed = [  # by whoever has the lease of a shard of targets
        of(measured(engine, name) - before[name], "published_messages_total", topic="call.events")
        for name in PROGRAMS
    ]
    assert sum(relayed) > len(calls)
    answered = of(dialer, "attempts_total", outcome="answered")
    assert answered > 0

    def flows() -> float:
        return of(measured(engine, "flow-runner") - before["flow-runner"], "flows_total")

    until(lambda: flows() == answered, 20, "a flow of each who answered")
    until(lambda: of(measured(engine, "dialer"), "open_calls") == 0, 20, "no call is open")
    until(lambda: of(measured(engine, "dialer"), "outbox_messages") == 0, 20, "all is published")
    assert of(measured(engine, "dialer"), "dead_letters_total") == 0
    assert of(measured(engine, "dialer"), "ready", condition="gateway") == 1
    requests = measured(engine, "campaign-manager")
    assert of(requests, "http_requests_total", route="/campaigns/{id_}", status="200") > 0


def test_every_metric_that_is_declared_is_served_by_its_program(engine: Stack) -> None:
    programs = {"all": "campaign-manager", "dialer": "dialer", "flow-runner": "flow-runner"}
    for family in families():
        port = engine.programs[programs[family.of]].port
        text = httpx.get(f"http://{HOST}:{port}/metrics", trust_env=False).text
        assert f"# HELP {family.name} " in text, family.name
