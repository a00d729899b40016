"""Numbers of a customer: which do-not-call lists each is on, whole after every change."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from contracts.base import CustomerId, Message, Unrecognized, Value, known_among


class ListedNumber(Value):
    """A number that is, or was, on do-not-call lists of a customer."""

    customer_id: CustomerId
    number: str = Field(description="E.164, or the address where it is no number.")
    list_ids: tuple[str, ...] = Field(default=(), description="None: it may be called again.")


class NumberChanged(Message):
    type: Literal["number.changed"] = "number.changed"
    number: ListedNumber


NumberFact = NumberChanged
NumberEvent = Annotated[
    Annotated[NumberChanged, Tag("known")] | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(NumberChanged)),
]
