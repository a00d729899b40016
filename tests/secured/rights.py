"""The rights that the chart's KafkaUsers have, given to users of a Kafka that is here."""

import asyncio
from collections.abc import Iterator

import yaml
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.protocol.admin import CreateAclsRequest

from deploy.helm.make_manifests import GOLDEN

KINDS = {"topic": 2, "group": 3, "cluster": 4}
OPERATIONS = {"Read": 3, "Write": 4, "Create": 5, "Describe": 8, "DescribeConfigs": 10}
LITERAL, ALLOW = 3, 3
PROGRAMS = ("campaign-manager", "dialer", "flow-runner", "campaignctl")

Right = tuple[str, int, str, int]
"""Who may do what: user, kind of resource, its name, operation; as numbers of Kafka's protocol."""


def user_of(program: str) -> str:
    """The name of a program's user."""
    return f"campaign-engine-{program}"


def rights() -> Iterator[Right]:
    """Yield what the chart allows, with Strimzi."""
    manifests = (GOLDEN / "values-high-availability.yaml").read_text("utf-8")
    for one in yaml.load_all(manifests, yaml.CSafeLoader):
        if one and one["kind"] == "KafkaUser":
            for rule in one["spec"]["authorization"]["acls"]:
                resource = rule["resource"]
                for operation in rule["operations"]:
                    kind, number = KINDS[resource["type"]], OPERATIONS[operation]
                    yield one["metadata"]["name"], kind, resource["name"], number


async def grant(bootstrap: str) -> int:
    """Give the users their rights, and return how many these are."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        asked = [
            admin._send_request(
                CreateAclsRequest(kind, name, LITERAL, f"User:{user}", "*", operation, ALLOW)
            )
            for user, kind, name, operation in rights()
        ]
        answers = await asyncio.gather(*asked)
    finally:
        await admin.close()
    assert not [code for answer in answers for code, _ in answer.creation_responses if code]
    return len(answers)
