"""What clients may send. Members that are left out stay as they are; unknown ones are ignored."""

import json
import re
from typing import Annotated, Any, Literal
from uuid import UUID

from contracts.actions import NIL_ID, Action, UnknownAction, parse_option
from contracts.campaign import CampaignKind, EndHandle
from contracts.resources import Address, AgentStatus
from contracts.target import Destination
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator
from pydantic_core import PydanticCustomError

E164 = re.compile(r"\+[1-9]\d{4,14}")
START_WORDS = {"run", "running", "start"}
STOP_WORDS = {"stop", "stopped", "stopping"}
LARGEST_INT = 2**31 - 1


def _identifier(given: Any) -> Any:
    """`""`, null and the nil UUID all mean none; anything else must be a UUID."""
    if given in (None, "", NIL_ID):
        return None
    try:
        return str(UUID(given))
    except (ValueError, AttributeError, TypeError) as error:
        raise PydanticCustomError("INVALID_ID", "is not a UUID") from error


def _text(given: Any) -> Any:
    """Free text; an object is kept as its JSON."""
    return json.dumps(given) if isinstance(given, dict | list) else given


Identifier = Annotated[str | None, BeforeValidator(_identifier)]
FreeText = Annotated[str, BeforeValidator(_text)]
Name = Annotated[str, Field(max_length=255)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INT)]


class Body(BaseModel):
    """A request body."""

    model_config = ConfigDict(strict=True, extra="ignore")

    def given(self) -> dict[str, Any]:
        """Return the members that the client has sent, with their values as they are."""
        return {name: getattr(self, name) for name in self.model_fields_set}


class AddressBody(Body):
    type: str = ""
    target: str = ""
    target_name: str = ""
    name: str = ""
    detail: str = ""

    def to_address(self) -> Address | None:
        """Return the address; nothing if no target is given."""
        if not self.target:
            return None
        kind = self.type or ("tel" if E164.fullmatch(self.target) else "sip")
        return Address(**(self.model_dump() | {"type": kind}))


def _dialable(body: AddressBody | None, slot: int) -> Destination | None:
    address = body.to_address() if body else None
    if address is None:
        return None
    if address.type not in ("tel", "sip"):
        raise PydanticCustomError("INVALID_ARGUMENT", "only tel and sip can be dialed")
    if address.type == "tel" and not E164.fullmatch(address.target):
        raise PydanticCustomError("INVALID_ARGUMENT", "is not an E.164 number such as +15551234567")
    return Destination(
        slot=slot,
        kind=address.type,
        address=address.target,
        target_name=address.target_name,
        name=address.name,
        detail=address.detail,
    )


def _action(given: Any) -> Any:
    """An action that can be carried out: its type is known and its option fits."""
    if not isinstance(given, dict):
        raise PydanticCustomError("dict_type", "is not an object")
    ids = {name: _identifier(given.get(name)) or NIL_ID for name in ("id", "next_id")}
    try:
        action = Action(type=given.get("type", ""), option=given.get("option") or {}, **ids)
        parse_option(action)
    except UnknownAction as error:
        raise PydanticCustomError("INVALID_ACTION_TYPE", "{why}", {"why": str(error)}) from error
    except ValidationError as error:
        why = "; ".join(f"{'.'.join(map(str, r['loc']))}: {r['msg']}" for r in error.errors())
        raise PydanticCustomError("INVALID_ARGUMENT", "{why}", {"why": why}) from error
    return action


Actions = tuple[Annotated[Action, BeforeValidator(_action)], ...] | None


class LoginBody(Body):
    username: str
    password: str


class CampaignBody(Body):
    name: Name = ""
    detail: str = ""
    type: CampaignKind = CampaignKind.CALL
    status: str = ""
    service_level: Count = 0
    end_handle: EndHandle = EndHandle.STOP
    actions: Annotated[Actions, Field(strict=False)] = None
    outplan_id: Identifier = None
    outdial_id: Identifier = None
    queue_id: Identifier = None
    next_campaign_id: Identifier = None
    max_concurrent_calls: Annotated[int, Field(ge=1, le=LARGEST_INT)] = 10
    calls_per_second: Annotated[int, Field(ge=1, le=LARGEST_INT)] = 5

    @field_validator("status")
    @classmethod
    def _known_status(cls, status: str) -> str:
        if status and status not in START_WORDS | STOP_WORDS:
            raise PydanticCustomError("INVALID_ARGUMENT", "run and stop are known")
        return status


class StatusBody(CampaignBody):
    status: str


class OutplanBody(Body):
    name: Name = ""
    detail: str = ""
    source: AddressBody | None = None
    dial_timeout: Count = 0
    try_interval: Count = 0
    max_try_count_0: Count = 0
    max_try_count_1: Count = 0
    max_try_count_2: Count = 0
    max_try_count_3: Count = 0
    max_try_count_4: Count = 0


class OutdialBody(Body):
    campaign_id: Identifier = None
    name: Name = ""
    detail: str = ""
    data: FreeText = ""


class TargetBody(Body):
    name: Name = ""
    detail: str = ""
    data: FreeText = ""
    destination_0: AddressBody | None = None
    destination_1: AddressBody | None = None
    destination_2: AddressBody | None = None
    destination_3: AddressBody | None = None
    destination_4: AddressBody | None = None

    @field_validator(
        "destination_0", "destination_1", "destination_2", "destination_3", "destination_4"
    )
    @classmethod
    def _is_dialable(cls, body: AddressBody | None) -> AddressBody | None:
        _dialable(body, 0)
        return body

    def destinations(self) -> tuple[Destination, ...]:
        """Return the destinations that are given, in the order of their slots."""
        found = (_dialable(getattr(self, f"destination_{slot}"), slot) for slot in range(5))
        return tuple(destination for destination in found if destination is not None)


class QueueBody(Body):
    name: Name = ""
    detail: str = ""
    routing_method: Literal["", "random"] = "random"
    tag_ids: Annotated[tuple[Identifier, ...], Field(strict=False)] = ()
    wait_flow_id: Identifier = None
    wait_timeout: Count = 0
    service_timeout: Count = 0


class FlowBody(Body):
    name: Name = ""
    detail: str = ""
    actions: Annotated[Actions, Field(strict=False)] = None
    on_complete_flow_id: Identifier = None


class TagBody(Body):
    name: Name = ""
    detail: str = ""


class AgentBody(Body):
    username: Annotated[str, Field(max_length=255)] = ""
    password: str = ""
    name: Name = ""
    detail: str = ""
    ring_method: Literal["", "ringall", "linear"] = "ringall"
    permission: Annotated[int, Field(ge=0, le=65535)] = 0
    status: AgentStatus = AgentStatus.OFFLINE
    tag_ids: Annotated[tuple[Identifier, ...], Field(strict=False)] = ()
    addresses: Annotated[tuple[AddressBody, ...], Field(strict=False)] = ()


class AccessKeyBody(Body):
    name: Name = ""
    detail: str = ""
    expire: Annotated[int, Field(ge=86_400, description="Seconds, at least a day.")] = 86_400
