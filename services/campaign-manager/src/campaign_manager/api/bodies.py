"""What clients may send, and what it changes in our words; `border` is the way back."""

from typing import Annotated, Any, ClassVar, Literal

from contracts.actions import NIL_ID, Action
from contracts.campaign import AmbiguousHandle, CampaignKind, CampaignLimits, EndHandle
from contracts.resources import AgentStatus, Outplan
from contracts.target import Destination
from pydantic import BeforeValidator, Field

from campaign_manager.api.fields import (
    ActionBody,
    AddressBody,
    Body,
    Count,
    Detail,
    DialableBody,
    FreeText,
    Identifier,
    Limit,
    Name,
    wrong,
)
from campaign_manager.api.hours import HoursBody, Zone
from campaign_manager.domain.status import Trigger
from campaign_manager.usecases.kinds import new_id

SLOTS = range(5)
TRIGGERS = {
    **dict.fromkeys(("run", "running", "start"), Trigger.RUN_REQUESTED),
    **dict.fromkeys(("stop", "stopped", "stopping"), Trigger.STOP_REQUESTED),
}
END_HANDLES = {"next": EndHandle.STOP.value, "loop": EndHandle.CONTINUE.value}
HUNDRED_YEARS_S = 3_155_760_000

Changes = dict[str, Any]


def _status(given: Any) -> Any:
    if isinstance(given, str) and given not in TRIGGERS:
        raise wrong(f"is none of {', '.join(TRIGGERS)}")
    return given


def _routing_method(given: Any) -> Any:
    if isinstance(given, str) and given not in ("", "random"):
        raise wrong("only random is known", code="INVALID_ROUTING_METHOD")
    return given


StatusWord = Annotated[str, BeforeValidator(_status)]


class LoginBody(Body):
    username: str
    password: str


class CampaignBody(Body):
    blank_is_absent: ClassVar[frozenset[str]] = frozenset(
        {"type", "end_handle", "status", "ambiguous_handle"}
    )

    name: Name = ""
    detail: Detail = ""
    type: CampaignKind = CampaignKind.CALL
    status: StatusWord = "stop"
    service_level: Count = 0
    end_handle: Annotated[
        EndHandle,
        BeforeValidator(
            lambda word: END_HANDLES.get(word, word) if isinstance(word, str) else word
        ),
    ] = EndHandle.STOP
    actions: list[ActionBody] | None = None
    outplan_id: Identifier = None
    outdial_id: Identifier = None
    queue_id: Identifier = None
    next_campaign_id: Identifier = None
    max_concurrent_calls: Limit = 10
    calls_per_second: Limit = 5
    attempts_per_number_day: Limit | None = None
    attempts_per_number_week: Limit | None = None
    calling_hours: Annotated[list[HoursBody], Field(min_length=1)] | None = None
    calling_zone: Zone = None
    ambiguous_handle: AmbiguousHandle = AmbiguousHandle.COUNT

    def changes(self, limits: CampaignLimits) -> Changes:
        """Return what it changes in a campaign that has these limits; all but the status."""
        renamed = {"type": "kind", "service_level": "dial_ratio_percent"}
        changes: Changes = {}
        given = self.given()
        for name, value in given.items():
            if name in CampaignLimits.model_fields:
                changes["limits"] = changes.get("limits", limits).model_copy(update={name: value})
            elif name == "actions":
                changes["actions"] = _actions(self.actions)
            elif name == "calling_hours":
                hours = self.calling_hours
                changes[name] = hours and tuple(window.to_hours() for window in hours)
            elif name != "status":
                changes[renamed.get(name, name)] = value
        return changes

    @property
    def trigger(self) -> Trigger | None:
        """What it asks of the campaign's status, if anything."""
        return TRIGGERS[self.status] if "status" in self.model_fields_set else None


class StatusBody(Body):
    status: StatusWord

    @property
    def trigger(self) -> Trigger:
        """What it asks of the campaign's status."""
        return TRIGGERS[self.status]


class OutplanBody(Body):
    name: Name = ""
    detail: Detail = ""
    source: DialableBody | None = None
    dial_timeout: Count = 0
    try_interval: Count = 0
    source_calls_per_second: Limit | None = None
    max_try_count_0: Count = 0
    max_try_count_1: Count = 0
    max_try_count_2: Count = 0
    max_try_count_3: Count = 0
    max_try_count_4: Count = 0

    def changes(self, before: Outplan) -> Changes:
        """Return what it changes in an outplan."""
        given = self.given()
        counts = tuple(
            given.pop(f"max_try_count_{slot}", before.max_attempts[slot]) for slot in SLOTS
        )
        changes = {**given, "max_attempts": counts}
        if "try_interval" in changes:
            changes["try_interval_ms"] = changes.pop("try_interval")
        if "source" in changes:
            changes["source"] = self.source.to_address() if self.source else None
        return changes


class OutdialBody(Body):
    campaign_id: Identifier = None
    name: Name = ""
    detail: Detail = ""
    data: FreeText = ""

    def changes(self, _before: Any) -> Changes:
        """Return what it changes in an outdial."""
        return self.given()


class TargetBody(Body):
    name: Name = ""
    detail: Detail = ""
    data: FreeText = ""
    destination_0: DialableBody | None = None
    destination_1: DialableBody | None = None
    destination_2: DialableBody | None = None
    destination_3: DialableBody | None = None
    destination_4: DialableBody | None = None

    def destinations(self) -> tuple[Destination, ...]:
        """Return the destinations that are given, in the order of their slots."""
        slots = (
            self.destination_0,
            self.destination_1,
            self.destination_2,
            self.destination_3,
            self.destination_4,
        )
        found = (body.to_destination(slot) for slot, body in enumerate(slots) if body)
        return tuple(destination for destination in found if destination)


class QueueBody(Body):
    name: Name = ""
    detail: Detail = ""
    routing_method: Annotated[str, BeforeValidator(_routing_method)] = "random"
    tag_ids: list[Identifier] = Field(default_factory=list)
    wait_flow_id: Identifier = None
    wait_timeout: Count = 0
    service_timeout: Count = 0

    def changes(self, _before: Any) -> Changes:
        """Return what it changes in a queue."""
        renamed = {"wait_timeout": "wait_timeout_ms", "service_timeout": "service_timeout_ms"}
        changes = {renamed.get(name, name): value for name, value in self.given().items()}
        if "tag_ids" in changes:
            changes["tag_ids"] = _tags(self.tag_ids)
        return changes


class FlowBody(Body):
    name: Name = ""
    detail: Detail = ""
    actions: list[ActionBody] | None = None
    on_complete_flow_id: Identifier = None

    def changes(self, _before: Any) -> Changes:
        """Return what it changes in a flow; actions without an id are given one."""
        changes = self.given()
        if "actions" in changes:
            changes["actions"] = tuple(
                action if action.id != NIL_ID else action.model_copy(update={"id": new_id()})
                for action in _actions(self.actions) or ()
            )
        return changes


class TagBody(Body):
    name: Name = ""
    detail: Detail = ""

    def changes(self, _before: Any) -> Changes:
        """Return what it changes in a tag."""
        return self.given()


class DoNotCallBody(Body):
    name: Name = ""
    detail: Detail = ""

    def changes(self, _before: Any) -> Changes:
        """Return what it changes in a do-not-call list."""
        return self.given()


class AgentBody(Body):
    blank_is_absent: ClassVar[frozenset[str]] = frozenset({"ring_method", "status", "password"})

    username: Name = ""
    password: Annotated[str, Field(max_length=1024)] = ""
    name: Name = ""
    detail: Detail = ""
    ring_method: Literal["ringall", "linear"] = "ringall"
    permission: Annotated[int, Field(ge=0, le=65535)] = 0
    status: AgentStatus = AgentStatus.OFFLINE
    tag_ids: list[Identifier] = Field(default_factory=list)
    addresses: list[AddressBody] = Field(default_factory=list)

    def changes(self) -> Changes:
        """Return what it changes in an agent, but for the password; a username never changes."""
        changes = self.given()
        for name in ("username", "password"):
            changes.pop(name, None)
        if "tag_ids" in changes:
            changes["tag_ids"] = _tags(self.tag_ids)
        if "addresses" in changes:
            found = (address.to_address() for address in self.addresses)
            changes["addresses"] = tuple(address for address in found if address)
        return changes


class AccessKeyBody(Body):
    name: Name = ""
    detail: Detail = ""
    expire: Annotated[
        int, Field(ge=86_400, le=HUNDRED_YEARS_S, description="Seconds, at least a day.")
    ] = 86_400

    def changes(self) -> Changes:
        """Return what it changes in an access key."""
        return {name: value for name, value in self.given().items() if name != "expire"}


def _actions(bodies: list[ActionBody] | None) -> tuple[Action, ...] | None:
    return None if bodies is None else tuple(body.to_action() for body in bodies)


def _tags(ids: list[str | None]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(id_ for id_ in ids if id_))
