"""How the services reach Kafka."""

from chassis.broker import build_broker
from chassis.settings import ServiceSettings


def test_every_broker_that_is_named_is_asked() -> None:
    settings = ServiceSettings(kafka_bootstrap="one:9092,two:9093")
    assert build_broker(settings, "test").specification.url == ["one:9092", "two:9093"]
