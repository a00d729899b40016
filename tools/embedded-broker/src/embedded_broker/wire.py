"""The Kafka protocol as far as it is spoken here: which requests, in which one version each.

aiokafka brings the schemas; a broker uses them the other way round, decoding requests and encoding
responses. A client takes the highest version that both know, so one version of each is enough.
"""

import struct
from io import BytesIO
from typing import Any, Final

from aiokafka.protocol import admin, commit, coordination, fetch, group, metadata, offset, produce
from aiokafka.protocol.transaction import InitProducerIdRequest

PRODUCE, FETCH, LIST_OFFSETS, METADATA = 0, 1, 2, 3
OFFSET_COMMIT, OFFSET_FETCH, FIND_COORDINATOR = 8, 9, 10
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 11, 12, 13, 14
DESCRIBE_GROUPS, LIST_GROUPS, API_VERSIONS = 15, 16, 18
CREATE_TOPICS, DELETE_TOPICS, INIT_PRODUCER_ID = 19, 20, 22
DESCRIBE_CONFIGS, CREATE_PARTITIONS = 32, 37

SPOKEN: Final[dict[int, int]] = {
    PRODUCE: 7,
    FETCH: 11,
    LIST_OFFSETS: 3,
    METADATA: 5,
    OFFSET_COMMIT: 3,
    OFFSET_FETCH: 3,
    FIND_COORDINATOR: 1,
    JOIN_GROUP: 5,
    HEARTBEAT: 1,
    LEAVE_GROUP: 1,
    SYNC_GROUP: 3,
    DESCRIBE_GROUPS: 1,
    LIST_GROUPS: 1,
    CREATE_TOPICS: 3,
    DELETE_TOPICS: 1,
    INIT_PRODUCER_ID: 0,
    DESCRIBE_CONFIGS: 1,
    CREATE_PARTITIONS: 1,
}
"""The version of each request; ApiVersions alone is understood in several."""

FAMILIES: Final[tuple[Any, ...]] = (
    produce.ProduceRequest,
    fetch.FetchRequest,
    offset.OffsetRequest,
    metadata.MetadataRequest,
    commit.OffsetCommitRequest,
    commit.OffsetFetchRequest,
    coordination.FindCoordinatorRequest,
    group.JoinGroupRequest,
    group.SyncGroupRequest,
    group.HeartbeatRequest,
    group.LeaveGroupRequest,
    admin.CreateTopicsRequest,
    admin.DeleteTopicsRequest,
    admin.ListGroupsRequest,
    admin.DescribeGroupsRequest,
    admin.DescribeConfigsRequest,
    admin.CreatePartitionsRequest,
    InitProducerIdRequest,
)


class NotSpoken(Exception):
    """A request, or a version of one, that this broker does not know."""


def _classes() -> dict[int, Any]:
    found = {}
    for family in FAMILIES:
        wanted = SPOKEN[family.API_KEY]
        for version in family._CLASSES:
            if wanted == version.API_VERSION:
                found[family.API_KEY] = version
    return found


REQUESTS: Final[dict[int, Any]] = _classes()


class Frame:
    """One request as it came: its header read, its body still bytes."""

    __slots__ = ("api_key", "body", "client", "correlation_id", "version")

    def __init__(self, raw: bytes) -> None:
        self.api_key, self.version, self.correlation_id, length = struct.unpack_from(">hhih", raw)
        end = 10 + max(length, 0)
        self.client = raw[10:end].decode()
        self.body = raw[end:]

    def decode(self) -> Any:
        """Return the request.

        Raises:
            NotSpoken: We do not know it in this version.
        """
        request = REQUESTS.get(self.api_key)
        if request is None or self.version != request.API_VERSION:
            raise NotSpoken(f"api {self.api_key} version {self.version}")
        return request.decode(BytesIO(self.body))

    def answer(self, fields: tuple[Any, ...]) -> bytes:
        """Return the response with its header, ready to be sent."""
        return self.framed(REQUESTS[self.api_key].RESPONSE_TYPE(*fields).encode())

    def framed(self, body: bytes) -> bytes:
        """Return a response's bytes with length and correlation id before them."""
        return struct.pack(">ii", len(body) + 4, self.correlation_id) + body

    def versions(self) -> bytes:
        """Return the answer to ApiVersions; one in a version of the future gets the oldest form."""
        rows = [(key, version, version) for key, version in sorted(SPOKEN.items())]
        rows.append((API_VERSIONS, 0, 2))
        is_known = self.version <= 2
        if self.version in (1, 2):
            return self.framed(admin.ApiVersionResponse_v1(0, rows, 0).encode())
        return self.framed(admin.ApiVersionResponse_v0(0 if is_known else 35, rows).encode())
