"""Kafka and Redis for whoever needs them: found, started where possible, and gone afterwards."""

from campaignctl.infrastructure.containers import docker_answers
from campaignctl.infrastructure.ground import standing_ground
from campaignctl.infrastructure.kafka_cluster import Broker, Brokers, start_kafka_cluster
from campaignctl.infrastructure.programs import require_program
from campaignctl.infrastructure.provider import (
    Found,
    Ground,
    InfrastructureUnavailable,
    Provider,
    Running,
    Unavailable,
)
from campaignctl.infrastructure.redis_cluster import start_redis_cluster
from campaignctl.infrastructure.resolver import (
    Infrastructure,
    find_kafka,
    find_redis,
    infrastructure,
    take_kafka,
    take_redis,
)

__all__ = [
    "Broker",
    "Brokers",
    "Found",
    "Ground",
    "Infrastructure",
    "InfrastructureUnavailable",
    "Provider",
    "Running",
    "Unavailable",
    "docker_answers",
    "find_kafka",
    "find_redis",
    "infrastructure",
    "require_program",
    "standing_ground",
    "start_kafka_cluster",
    "start_redis_cluster",
    "take_kafka",
    "take_redis",
]
