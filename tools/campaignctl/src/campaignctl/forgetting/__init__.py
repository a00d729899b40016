"""A number found wherever the engine keeps it, forgotten there, and when the last of it goes."""

from campaignctl.forgetting.erasing import Erased, Refused, erase
from campaignctl.forgetting.remains import Goes, Trace
from campaignctl.forgetting.scanning import Found, scan
from campaignctl.forgetting.spelling import NotANumber, Spelling

__all__ = ["Erased", "Found", "Goes", "NotANumber", "Refused", "Spelling", "Trace", "erase", "scan"]
