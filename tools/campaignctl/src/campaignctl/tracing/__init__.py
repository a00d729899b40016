"""Tracing: the whole story of a call or a target, in order of cause and in order of time."""

from campaignctl.tracing.causes import Parent, Told, parents
from campaignctl.tracing.phases import Phase, doubts, phases, silences
from campaignctl.tracing.story import Story, gather
from campaignctl.tracing.words import words_of

__all__ = [
    "Parent",
    "Phase",
    "Story",
    "Told",
    "doubts",
    "gather",
    "parents",
    "phases",
    "silences",
    "words_of",
]
