"""The rights that the chart's KafkaUsers have, given to users of a Kafka that is here."""

from collections.abc import Iterator
from typing import Any

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


class AllAtOnce(CreateAclsRequest):  # type: ignore[misc]
    """Many rights in one request; aiokafka's own takes one."""

    def __init__(self, rows: list[tuple[Any, ...]]) -> None:
        self._rows = rows

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._rows)


async def grant(bootstrap: str) -> None:
    """Give the users their rights."""
    rows = [
        (kind, name, LITERAL, f"User:{user}", "*", operation, ALLOW)
        for user, kind, name, operation in rights()
    ]
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        answer = await admin._send_request(AllAtOnce(rows))
    finally:
        await admin.close()
    assert {code for code, _ in answer.creation_responses} == {0}
