"""The Redis queue of targets: add, claim, release, and the gates of campaigns."""

from target_queue.gates import Gate
from target_queue.queue import Claim, Claimed, TargetQueue, Verdict, sequence_of

__all__ = ["Claim", "Claimed", "Gate", "TargetQueue", "Verdict", "sequence_of"]
