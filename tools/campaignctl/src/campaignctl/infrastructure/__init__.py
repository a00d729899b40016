"""Kafka and Redis for whoever needs them: found, started where possible, and gone afterwards."""

from campaignctl.infrastructure.provider import (
    Found,
    Ground,
    InfrastructureUnavailable,
    Provider,
    Unavailable,
)
from campaignctl.infrastructure.resolver import (
    Infrastructure,
    find_kafka,
    find_redis,
    infrastructure,
    standing_ground,
)

__all__ = [
    "Found",
    "Ground",
    "Infrastructure",
    "InfrastructureUnavailable",
    "Provider",
    "Unavailable",
    "find_kafka",
    "find_redis",
    "infrastructure",
    "standing_ground",
]
