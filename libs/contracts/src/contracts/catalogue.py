"""The catalogue of topics as documents: AsyncAPI 3.0 for tools, a table for people."""

from collections.abc import Iterable
from typing import Any

from contracts.topics import Topic

ABOUT = "Events are facts in the past tense, commands are imperative; see architecture.md."
HEAD = """# Topics

Generated from the catalogue (`contracts.topics`); `make schemas` writes it anew. Each topic has a
dead-letter topic of its own. Consumers are consumer groups; a name in brackets reads without one.
"""


def asyncapi(topics: Iterable[Topic]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document: one channel per topic, messages by reference."""
    topics = tuple(topics)
    messages = {
        type_: {
            "name": type_,
            "contentType": "application/cloudevents+json",
            "payload": {"$ref": f"../libs/contracts/schemas/{type_}.json"},
        }
        for topic in topics
        for type_ in topic.types
    }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "Campaign Engine", "version": "1", "description": ABOUT},
        "defaultContentType": "application/cloudevents+json",
        "channels": {topic.name: _channel(topic) for topic in topics},
        "operations": {
            f"{action}-{topic.name}-by-{who}": {
                "action": action,
                "channel": {"$ref": f"#/channels/{topic.name}"},
                "title": f"{who} {action}s {topic.name}",
            }
            for topic in topics
            for action, names in (("send", topic.producers), ("receive", topic.consumers))
            for who in names
        },
        "components": {"messages": messages},
    }


def _channel(topic: Topic) -> dict[str, Any]:
    return {
        "address": topic.name,
        "description": topic.about,
        "messages": {type_: {"$ref": f"#/components/messages/{type_}"} for type_ in topic.types},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": {"cleanup.policy": [topic.cleanup.value]},
            }
        },
    }


def topics_table(topics: Iterable[Topic]) -> str:
    """Return the table of topics in Markdown."""
    rows = ["topic | key | cleanup | producers | consumers | messages", "|".join(["---"] * 6)]
    rows += [
        " | ".join(
            (
                f"`{topic.name}`",
                topic.key,
                topic.cleanup.value,
                ", ".join(topic.producers),
                ", ".join(topic.consumers) or "none in the engine",
                ", ".join(f"`{type_}`" for type_ in topic.types),
            )
        )
        for topic in topics
    ]
    table = "\n".join(f"| {row} |" if " | " in row else f"|{row}|" for row in rows)
    about = "\n".join(f"- `{topic.name}`: {topic.about}" for topic in topics)
    return f"{HEAD}\n{table}\n\n{about}\n"
