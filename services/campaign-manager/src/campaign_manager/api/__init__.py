"""The REST API: VoIPBIN's names and shapes outside, ours inside; translated here and only here."""

from campaign_manager.api.app import add_routes
from campaign_manager.api.border import Border
from campaign_manager.api.context import UseCases

__all__ = ["Border", "UseCases", "add_routes"]
