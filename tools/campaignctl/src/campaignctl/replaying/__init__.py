"""Replay: recorded messages through the services' own pure code."""

from campaignctl.replaying.decisions import (
    Asked,
    Decision,
    Finding,
    Gap,
    Unknown,
    differences,
    plain,
)
from campaignctl.replaying.replay import TOPICS, Replay

__all__ = [
    "TOPICS",
    "Asked",
    "Decision",
    "Finding",
    "Gap",
    "Replay",
    "Unknown",
    "differences",
    "plain",
]
