"""A campaign on a Kafka and a Redis that are encrypted and ask for logins, with few rights.

On Kafka these are the rights of the users that the Helm chart makes.
"""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from campaignctl.stack import Stack, StackOptions
from chassis.broker import build_producer
from chassis.connections import Connections

from tests.faults.campaign import Campaign
from tests.faults.conftest import engine_on
from tests.secured.ground import USER, Secured
from tests.secured.rights import grant, user_of

SERVICES = ("campaign-manager", "dialer", "flow-runner")


@pytest.fixture(scope="module")
def engine(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    asyncio.run(grant(secured.plain_bootstrap))
    assert said(secured, "provision")["flaws"] == []
    told = {
        f"{service.upper().replace('-', '_')}_{name}": value
        for service in SERVICES
        for name, value in {
            **settings_of(secured, service),
            "PROVISION_TOPICS": "false",
        }.items()
    }
    login = f"rediss://{USER}:{secured.password}@"
    trusted = urlencode({"ssl_ca_certs": str(secured.ca_file)})
    redis = f"{secured.redis_url.replace('rediss://', login)}?{trusted}"
    options = StackOptions(speed=10, settings=told, records=tmp_path_factory.mktemp("secured"))
    with engine_on(secured.plain_bootstrap, redis, options) as stack:
        yield stack


def test_a_campaign_passes_through_and_every_command_logs_in_as_the_services_do(
    engine: Stack, secured: Secured
) -> None:
    one = Campaign(engine, 40)
    one.start()
    one.await_end()
    one.verify()
    one.close()
    for name in SERVICES:
        log = (Path(engine.logs) / f"{name}.log").read_text()
        assert secured.password not in log
    assert said(secured, "events", "--type", "call.settled", "--count")["call.settled"] >= 40
    assert said(secured, "diff")["differences"] == []
    assert said(secured, "provision", "--check")["flaws"] == []


async def test_a_service_may_not_tell_what_is_not_its_own(engine: Stack, secured: Secured) -> None:
    told: dict[str, Any] = settings_of(secured, "flow-runner")
    where = Connections(**{name.lower(): value for name, value in told.items()})
    producer = build_producer(where, "flow-runner")
    await producer.start()
    try:
        with pytest.raises(TopicAuthorizationFailedError):
            await producer.send_and_wait("call.events", b"{}", key=b"a")
    finally:
        await producer.stop()


def settings_of(secured: Secured, service: str) -> dict[str, Any]:
    return secured.settings(KAFKA_USERNAME=user_of(service))


def said(secured: Secured, *words: str) -> dict[str, Any]:
    """Return what a command tells that knows Kafka and Redis by its environment alone."""
    ended = subprocess.run(
        [sys.executable, "-m", "campaignctl", *words, "--json"],
        env={**os.environ, **secured.settings(KAFKA_USERNAME=user_of("campaignctl"))},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    told: dict[str, Any] = json.loads(ended.stdout)
    return told
