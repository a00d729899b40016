"""What the flow-runner measures, beside what every service does."""

from chassis.metrics import PREFIX
from prometheus_client import Counter, Gauge

FLOWS = Counter(f"{PREFIX}flows_total", "Flow runs that have ended, and how.", ["how"])
ACTIONS = Counter(f"{PREFIX}flow_actions_total", "Actions that have ended.", ["action", "how"])
WAITING = Gauge(
    f"{PREFIX}waiting_callers",
    "Callers who wait for an agent, of all queues; each flow-runner says the same.",
)
ENGAGED = Gauge(
    f"{PREFIX}engaged_agents", "Agents who are in a call; each flow-runner says the same."
)
