"""What the dialer measures, beside what every service does."""

from chassis.metrics import PREFIX
from prometheus_client import Counter, Gauge

ORIGINATIONS = Counter(
    f"{PREFIX}originations_total", "Calls asked of the gateway, by its answer.", ["answer"]
)
PERMITS = Counter(
    f"{PREFIX}permits_total", "Answers to the question whether a phone may ring now.", ["answer"]
)
ATTEMPTS = Counter(f"{PREFIX}attempts_total", "Attempts that have ended.", ["outcome"])
ADOPTED = Counter(f"{PREFIX}adopted_attempts_total", "Attempts taken over from a silent dialer.")
OPEN_CALLS = Gauge(f"{PREFIX}open_calls", "Attempts this dialer answers for.", ["status"])
RUNNING = Gauge(
    f"{PREFIX}running_campaigns",
    "Campaigns this dialer runs, by what they wait for now (nothing: they dial).",
    ["waits_for"],
)
DIAL_DEBT = Gauge(
    f"{PREFIX}dial_debt_calls",
    "Calls of the last ten seconds that nothing but the dialers has kept from beginning.",
)
