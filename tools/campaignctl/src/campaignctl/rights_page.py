"""`docs/kafka-rights.md`: what each service must be allowed on Kafka. `make schemas` writes it."""

from collections.abc import Iterator
from pathlib import Path

from campaign_manager.usecases.timelines import OF_CALL, OF_CAMPAIGN
from contracts.topics import CATALOGUE, TARGET_EVENTS, Topic

PAGE = Path("docs") / "kafka-rights.md"
RELAYS = {
    "campaign-manager": ("campaign-manager", "dialer"),
    "dialer": ("dialer",),
    "flow-runner": ("flow-runner",),
}
"""Whose messages each publishes: campaign-managers and dialers share the outboxes of targets."""
SHOWN = {"campaign-manager": frozenset({*OF_CAMPAIGN, *OF_CALL, TARGET_EVENTS})}
"""What timelines are read from."""
HEAD = """# Rights on Kafka

Written by `make schemas` from the catalogue of topics. Each service needs `Describe` and
`DescribeConfigs` on every topic of the table (it looks whether they are as they should be, and
whether anything was ever told), and beyond that:

"""
FOOT = """
`Write` is on the topic and, where a service reads it, on its `.dead-letter` too. Groups need
`Read`. Who makes the topics needs `Create` on the cluster: let `campaignctl provision` do it under
a login of its own, and set `PROVISION_TOPICS` to false. Who sends commands from outside (`anyone`
in the [catalogue](topics.md)) needs `Write` on `campaign.commands` and `target.commands`; whoever
may write these may do what the API's administrators may do.

`campaignctl events`, `trace`, `replay`, `export`, `verify`, `diff` and `rebuild` need `Read` and
`Describe` on all topics; `forget` also `Write` on `number.events` and `DescribeConfigs`;
`redrive` and `republish` `Write` on what they send.

For example, with the tools of Kafka:

    kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add \\
      --allow-principal User:dialer --operation Write --operation Describe --topic call.events
    kafka-acls.sh --bootstrap-server kafka:9092 --command-config admin.properties --add \\
      --allow-principal User:dialer --operation Read --group dialer
"""


def is_read(service: str, topic: Topic) -> bool:
    """Whether a service consumes a topic, so that it may have to set a message of it aside."""
    return any(consumer.partition(".")[0] == service for consumer in topic.consumers)


def rights(service: str, topic: Topic) -> tuple[str, ...]:
    """Return the operations that a service needs on a topic."""
    reads = is_read(service, topic) or topic in SHOWN.get(service, ())
    writes = any(producer in RELAYS[service] for producer in topic.producers)
    return ("Read",) * reads + ("Write",) * writes


def groups(service: str) -> list[str]:
    """Return the consumer groups of a service; names in brackets read without one."""
    named = {one for topic in CATALOGUE for one in topic.consumers if "[" not in one}
    return sorted(one for one in named if one.partition(".")[0] == service)


def page() -> str:
    """Return the page."""
    return HEAD + "".join(_table()) + FOOT


def _table() -> Iterator[str]:
    yield f"| topic | {' | '.join(RELAYS)} |\n|{'---|' * (len(RELAYS) + 1)}\n"
    for topic in CATALOGUE:
        cells = (", ".join(rights(service, topic)) for service in RELAYS)
        yield f"| `{topic.name}` | {' | '.join(cells)} |\n"
        asides = ("Write" if is_read(service, topic) else "" for service in RELAYS)
        yield f"| `{topic.dead_letter}` | {' | '.join(asides)} |\n"
    named = (", ".join(f"`{group}`" for group in groups(service)) for service in RELAYS)
    yield f"| groups | {' | '.join(named)} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
