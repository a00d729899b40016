"""Keys of an outdial's shard, and attempt ids that tell their shard.

Everything of an outdial shares one hash tag: its targets, their attempts, and the gates of the
campaigns that dial it. An attempt id is a UUID whose first byte is the number of its shard, so
that whoever hears of an attempt knows where it lives.
"""

import uuid

from chassis.shards import shard_of

from target_queue.rules import Rule

NAMESPACE = "dialing"
NUMBER_NAMESPACE = "number"
PAUSE_CHANNEL = "{rate-gateway}:paused"
"""Channel that says, in milliseconds, how long a pause begins now that the gateway asks for."""


def outdial_shard(outdial_id: str) -> str:
    """Return the shard of an outdial and all that is dialed from it."""
    return shard_of(NAMESPACE, outdial_id)


def new_attempt_id(shard: str) -> str:
    """Return a fresh attempt id of a shard."""
    number = int(shard.rpartition("-")[2])
    return str(uuid.UUID(bytes=bytes([number]) + uuid.uuid4().bytes[1:], version=4))


def attempt_shard(attempt_id: str) -> str:
    """Return the shard that an attempt id names."""
    return f"{NAMESPACE}-{int(attempt_id[:2], 16)}"


def target_key(shard: str, target_id: str) -> str:
    """Record of a target."""
    return f"{{{shard}}}:target:{target_id}"


def attempt_key(attempt_id: str) -> str:
    """Record of an attempt."""
    return f"{{{attempt_shard(attempt_id)}}}:attempt:{attempt_id}"


def gate_key(shard: str, campaign_id: str) -> str:
    """Record that says whether and how fast a campaign may dial."""
    return f"{{{shard}}}:campaign:{campaign_id}:gate"


def live_key(shard: str, campaign_id: str) -> str:
    """Sorted set of a campaign's open attempts, by creation."""
    return f"{{{shard}}}:campaign:{campaign_id}:live"


def told_key(shard: str, campaign_id: str) -> str:
    """Record of what was said of a campaign's run: that it is exhausted, or drained."""
    return f"{{{shard}}}:campaign:{campaign_id}:told"


def rate_key(shard: str, campaign_id: str) -> str:
    """Sorted set of a campaign's originations in the last second."""
    return f"{{{shard}}}:campaign:{campaign_id}:rate"


def shared_rate_key(scope: str) -> str:
    """Sorted set of the originations in the last second of what campaigns share; its own slot."""
    return f"{{rate-{scope}}}:rate"


def pause_key() -> str:
    """Mark of a pause that the gateway has asked for; it ends with it."""
    return "{rate-gateway}:pause"


def due_key(shard: str, outdial_id: str) -> str:
    """Sorted set of targets that no rule has put off, by due time in microseconds."""
    return f"{{{shard}}}:outdial:{outdial_id}:due"


def claims_key(shard: str, outdial_id: str) -> str:
    """Sorted set of claimed targets by the end of their lease in microseconds."""
    return f"{{{shard}}}:outdial:{outdial_id}:claims"


def deferred_key(shard: str, outdial_id: str, rule: Rule) -> str:
    """Sorted set of the targets put off by a rule, by when they may be called."""
    return f"{{{shard}}}:outdial:{outdial_id}:{rule.value}:deferred"


def deferred_keys(shard: str, outdial_id: str) -> tuple[str, ...]:
    """Return the keys of the targets that are put off, rule by rule."""
    return tuple(deferred_key(shard, outdial_id, rule) for rule in Rule)


def order_key(shard: str, outdial_id: str) -> str:
    """Stream of target ids by creation; an entry's id is the creation in microseconds."""
    return f"{{{shard}}}:outdial:{outdial_id}:order"


def clock_key(shard: str, outdial_id: str) -> str:
    """Record of the last creation instant given to a target of the outdial."""
    return f"{{{shard}}}:outdial:{outdial_id}:clock"


def worker_key(shard: str, worker: str) -> str:
    """Set of open attempts that a worker answers for."""
    return f"{{{shard}}}:worker:{worker}:attempts"


def workers_key(shard: str) -> str:
    """Sorted set of the workers of a shard, by the instant of their last word."""
    return f"{{{shard}}}:workers"


def pace_key(queue_id: str) -> str:
    """Sorted set of the targets that are being dialed for a queue; a slot of its own."""
    return f"{{pace-{queue_id}}}:dialing"


def wake_channel(shard: str) -> str:
    """Channel that says which outdial of the shard has new work or a changed gate."""
    return f"{{{shard}}}:wake"


def number_shard(customer_id: str, number: str) -> str:
    """Return the shard of all that is known of one number of one customer."""
    return shard_of(NUMBER_NAMESPACE, f"{customer_id}/{number}")


def number_key(customer_id: str, number: str, part: str = "") -> str:
    """Key of a part of what is known of a number; without one, what they all begin with.

    The parts are `lists` (record of the do-not-call lists that it is on), `call` (the attempt that
    has it, until its lease ends) and `attempts` (sorted set of attempts by their instant in
    microseconds).
    """
    shard = number_shard(customer_id, number)
    return f"{{{shard}}}:number:{customer_id}/{number}:{part}"


def listed_key(shard: str, list_id: str) -> str:
    """Sorted set of the numbers of a shard that are on a do-not-call list, by themselves."""
    return f"{{{shard}}}:donotcall:{list_id}:numbers"
