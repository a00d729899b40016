"""The Redis queue of targets: add, claim, permit, release; gates, numbers, paces, workers."""

from target_queue.claims import Claim, Claimed, Verdict
from target_queue.deferrals import Deferrals
from target_queue.forgetting import Forgetting, InCall
from target_queue.gates import Gate
from target_queue.listings import Listings
from target_queue.numbers import Held, Numbers, Refusal, Why
from target_queue.pace import Pace
from target_queue.pauses import Pauses
from target_queue.permits import Permit, Permits, Word
from target_queue.queue import TargetQueue, sequence_of
from target_queue.rules import Rule, changed_rules
from target_queue.workers import Roll, Workers

__all__ = [
    "Claim",
    "Claimed",
    "Deferrals",
    "Forgetting",
    "Gate",
    "Held",
    "InCall",
    "Listings",
    "Numbers",
    "Pace",
    "Pauses",
    "Permit",
    "Permits",
    "Refusal",
    "Roll",
    "Rule",
    "TargetQueue",
    "Verdict",
    "Why",
    "Word",
    "Workers",
    "changed_rules",
    "sequence_of",
]
