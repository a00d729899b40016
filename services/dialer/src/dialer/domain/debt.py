"""Dial debt: the calls that a campaign might have begun by now and that nobody has begun.

It grows only where the dialers are the bottleneck: targets are due, and neither agents, nor a
limit, nor the gateway is in the way. So it, and not the length of a list, says that more dialers
would help.
"""

from collections import deque

WINDOW_S = 10.0
SLACK_S = 1.0
"""A second's calls may be under way between the claim and the ring."""


class Debt:
    """What one campaign has begun lately, and since when nothing else has been in its way."""

    def __init__(self) -> None:
        self._begun: deque[float] = deque()
        self._free_since: float | None = None

    def begin(self, at: float) -> None:
        """Take note that a call has begun, at a monotonic second."""
        self._begun.append(at)

    def hinder(self) -> None:
        """Take note that something else than the dialers is in the way."""
        self._free_since = None

    def free(self, at: float) -> None:
        """Take note that nothing else is in the way."""
        if self._free_since is None:
            self._free_since = at

    def at(self, now: float, per_second: int) -> float:
        """Return how many calls it lacks.

        Args:
            now: A monotonic second.
            per_second: How many the campaign may begin in a second.
        """
        if self._free_since is None:
            return 0.0
        since = max(self._free_since, now - WINDOW_S)
        while self._begun and self._begun[0] < now - WINDOW_S:
            self._begun.popleft()
        begun = sum(1 for one in self._begun if one >= since)
        return max(0.0, per_second * max(0.0, now - since - SLACK_S) - begun)
