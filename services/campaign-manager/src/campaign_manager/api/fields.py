"""The fields of request bodies: their types, and what is wrong with a value that does not fit."""

import json
import math
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Self
from uuid import UUID

from contracts.actions import NIL_ID, Action, UnknownAction, parse_option
from contracts.resources import Address
from contracts.target import Destination
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from campaign_manager.domain.addresses import fault_of, kind_of

LARGEST_INT = 2**31 - 1


def wrong(why: str, *, code: str = "INVALID_ARGUMENT", within: str = "") -> PydanticCustomError:
    """Return the error of a value; `code` becomes the answer's reason, `within` names the part."""
    return PydanticCustomError(code, "{why}", {"why": why, "within": within})


def _identifier(given: Any) -> Any:
    """`""`, null and the nil UUID all mean none; anything else must be a UUID."""
    if given in (None, "", NIL_ID):
        return None
    try:
        return str(UUID(given))
    except (ValueError, AttributeError, TypeError) as error:
        raise wrong("is not a UUID", code="INVALID_ID") from error


def _text(given: Any) -> Any:
    """Free text; an object is kept as its JSON."""
    return json.dumps(given, ensure_ascii=False) if isinstance(given, dict | list) else given


Identifier = Annotated[str | None, BeforeValidator(_identifier)]
Name = Annotated[str, Field(max_length=255)]
Detail = Annotated[str, Field(max_length=4096)]
FreeText = Annotated[str, BeforeValidator(_text), Field(max_length=65_536)]
Count = Annotated[int, Field(ge=0, le=LARGEST_INT)]
Limit = Annotated[int, Field(ge=1, le=LARGEST_INT)]


class Body(BaseModel):
    """A request body. Members left out stay as they are; unknown ones are ignored.

    A null counts as left out, except where none can be meant by it (fields whose default is None);
    so does `""` in the fields of `blank_is_absent`.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    blank_is_absent: ClassVar[frozenset[str]] = frozenset()

    @model_validator(mode="before")
    @classmethod
    def _drop_absent(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        return {name: value for name, value in given.items() if not cls._is_absent(name, value)}

    @classmethod
    def _is_absent(cls, name: str, value: Any) -> bool:
        if value is None:
            field = cls.model_fields.get(name)
            return field is not None and field.default is not None
        return value == "" and name in cls.blank_is_absent

    def given(self) -> dict[str, Any]:
        """Return the members that the client has sent, with their values as they are."""
        return {name: getattr(self, name) for name in self.model_fields_set}

    def part(self, names: frozenset[str]) -> Self:
        """Return the body with some of its members only."""
        kept = self.model_copy()
        kept.__pydantic_fields_set__ = self.model_fields_set & names
        return kept


class AddressBody(Body):
    """An address of any kind, such as where an agent is called."""

    must_dial: ClassVar[bool] = False

    type: Annotated[str, Field(max_length=32)] = ""
    target: Name = ""
    target_name: Name = ""
    name: Name = ""
    detail: Detail = ""

    @model_validator(mode="after")
    def _is_right(self) -> Self:
        if not self.target:
            return self
        fault = fault_of(self.kind, self.target, must_dial=self.must_dial)
        if fault:
            raise wrong(fault, within="type" if "type" in fault or "only" in fault else "target")
        return self

    @property
    def kind(self) -> str:
        """The type, told or shown by the target."""
        return kind_of(self.type, self.target)

    def to_address(self) -> Address | None:
        """Return the address; nothing if no target is given."""
        if not self.target:
            return None
        return Address(
            type=self.kind,
            target=self.target,
            target_name=self.target_name,
            name=self.name,
            detail=self.detail,
        )


class DialableBody(AddressBody):
    """An address that a call can reach, or come from."""

    must_dial: ClassVar[bool] = True

    def to_destination(self, slot: int) -> Destination | None:
        """Return the destination of a slot; nothing if no target is given."""
        if not self.target:
            return None
        return Destination(
            slot=slot,
            kind=self.kind,
            address=self.target,
            target_name=self.target_name,
            name=self.name,
            detail=self.detail,
        )


class ActionBody(Body):
    """An action that can be carried out: its type is known and its option fits."""

    id: Identifier = None
    next_id: Identifier = None
    type: str
    option: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_run(self) -> Self:
        if any(not math.isfinite(number) for number in _numbers(self.option)):
            raise wrong("holds a number without an end", within="option")
        try:
            parse_option(self.to_action())
        except UnknownAction as error:
            raise wrong(str(error), code="INVALID_ACTION_TYPE", within="type") from error
        except ValidationError as error:
            row = error.errors(include_url=False, include_input=False)[0]
            place = ".".join(("option", *map(str, row["loc"])))
            raise wrong(row["msg"], within=place) from error
        return self

    def to_action(self) -> Action:
        """Return the action as it was sent; ids that were left out are nil."""
        return Action(
            id=self.id or NIL_ID,
            next_id=self.next_id or NIL_ID,
            type=self.type,
            option=self.option,
        )


def _numbers(value: Any) -> Iterator[float]:
    if isinstance(value, float):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from _numbers(one)
    elif isinstance(value, list):
        for one in value:
            yield from _numbers(one)
