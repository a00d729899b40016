"""The REST API: VoIPBIN's names and shapes outside, ours inside; translated here and only here."""

from campaign_manager.api.app import BELOW, add_routes
from campaign_manager.api.border import Border
from campaign_manager.api.context import UseCases

__all__ = ["BELOW", "Border", "UseCases", "add_routes"]
