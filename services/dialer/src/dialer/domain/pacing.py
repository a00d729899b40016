"""How many calls to place now.

Agentless campaigns are bounded by their limits alone. With a queue, the dial ratio says how many
calls may be dialing per 100 available agents; callers who wait for an agent come first.
"""

LARGEST_CLAIM = 100


def calls_to_place(
    *, available_agents: int, dial_ratio_percent: int, waiting: int, dialing: int
) -> int:
    """Return how many calls a campaign with a queue may place now.

    Args:
        available_agents: Agents of the queue who could take a call now.
        dial_ratio_percent: Dialing calls allowed per 100 available agents; 100 is one to one.
        waiting: Answered callers who wait in the queue.
        dialing: Calls of all campaigns of the queue, placed and not yet answered.
    """
    return max(0, available_agents * dial_ratio_percent // 100 - waiting - dialing)
