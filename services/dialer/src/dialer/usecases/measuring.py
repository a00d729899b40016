"""What each campaign waits for, and what it lacks: told to Prometheus."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum

from target_queue import Verdict

from dialer.domain.debt import Debt
from dialer.metrics import DIAL_DEBT, RUNNING


class WaitsFor(StrEnum):
    """What keeps a campaign from dialing more right now."""

    NOTHING = "nothing"
    TARGETS = "targets"
    LIMITS = "limits"
    AGENTS = "agents"
    GATEWAY = "gateway"
    STORE = "store"
    END = "end"


WAITS_AFTER: dict[Verdict, WaitsFor] = {
    Verdict.CLAIMED: WaitsFor.NOTHING,
    Verdict.EMPTY: WaitsFor.TARGETS,
    Verdict.LATER: WaitsFor.TARGETS,
    Verdict.FULL: WaitsFor.LIMITS,
    Verdict.CLOSED: WaitsFor.END,
}


class Standing:
    """How it stands with one campaign."""

    def __init__(self) -> None:
        self.waits_for = WaitsFor.NOTHING
        self.debt = Debt()

    def note(self, at: float, *, is_bound: bool) -> None:
        """Take note of whether anything but the dialers is in the way.

        Args:
            at: A monotonic second.
            is_bound: Agents or others take a part of what it could dial.
        """
        if self.waits_for is WaitsFor.NOTHING and not is_bound:
            self.debt.free(at)
        else:
            self.debt.hinder()


def show(standings: Iterable[tuple[Standing, int]], at: float) -> None:
    """Tell how it stands with all campaigns, each with the calls it may begin in a second."""
    waiting, debt = Counter[WaitsFor](), 0.0
    for standing, per_second in standings:
        waiting[standing.waits_for] += 1
        debt += standing.debt.at(at, per_second)
    for reason in WaitsFor:
        RUNNING.labels(reason.value).set(waiting[reason])
    DIAL_DEBT.set(debt)
