"""How the services reach Kafka, and what a broken connection does to them."""

from typing import Any

import pytest
from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaConnectionError
from aiokafka.protocol.metadata import MetadataRequest
from chassis.broker import build_broker, mend_connections
from chassis.settings import ServiceSettings


class ClosedWriter:
    """Answers as uvloop does on a connection that was reset a moment ago."""

    def write(self, _: bytes) -> None:
        raise RuntimeError("unable to perform operation; the handler is closed")

    def close(self) -> None:
        return


def test_every_broker_that_is_named_is_asked() -> None:
    settings = ServiceSettings(kafka_bootstrap="one:9092,two:9093")
    assert build_broker(settings, "test").specification.url == ["one:9092", "two:9093"]


async def test_a_connection_that_uvloop_has_closed_is_a_broken_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(AIOKafkaConnection, "send", AIOKafkaConnection.send)
    mend_connections()
    connection: Any = AIOKafkaConnection("127.0.0.1", 9092)
    connection._writer, connection._versions = ClosedWriter(), {MetadataRequest.API_KEY: (0, 1)}
    with pytest.raises(KafkaConnectionError):
        connection.send(MetadataRequest([]))
