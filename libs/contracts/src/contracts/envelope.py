"""The envelope around every message: CloudEvents 1.0, structured JSON in the Kafka value.

A dead letter, a replay file and an example are whole by themselves. Order and identity are
`(subject, sequence)`: a consumer that has seen a sequence of a subject skips what is not above it.
Source of the attributes: https://github.com/cloudevents/spec (1.0), with the extensions
`correlationid`, `causationid`, `sequence`, `customerid` and `traceparent`.
"""

from datetime import datetime
from typing import Generic, Literal, TypeVar

from pydantic import AwareDatetime, Field

from contracts.base import Message, Value

Body = TypeVar("Body", bound=Message)


class Envelope(Value, Generic[Body]):
    """One message as it travels and is stored."""

    specversion: Literal["1.0"] = "1.0"
    id: str = Field(description="source/subject/sequence: the same again when it is sent again.")
    source: str = Field(description="The service that says so.")
    type: str
    subject: str = Field(description="What it is about; also the Kafka key.")
    time: AwareDatetime = Field(description="When the producer decided it, UTC.")
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str | None = None
    correlation_id: str = Field(alias="correlationid", description="One story: an attempt.")
    causation_id: str | None = Field(
        default=None, alias="causationid", description="The message that caused this one."
    )
    sequence: int = Field(ge=0, description="Grows per source and subject.")
    customer_id: str = Field(default="", alias="customerid")
    traceparent: str | None = None
    body: Body = Field(alias="data")

    def encode(self) -> bytes:
        """Return the Kafka value: UTF-8 JSON without absent attributes."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()


def id_of(source: str, subject: str, sequence: int) -> str:
    """Return the id of a message, which follows from what it is."""
    return f"{source}/{subject}/{sequence}"


def wrap(
    body: Body,
    *,
    source: str,
    subject: str,
    sequence: int,
    at: datetime,
    customer_id: str,
    correlation_id: str | None = None,
    cause: str | None = None,
) -> Envelope[Body]:
    """Return the envelope of a message, with the id that follows from what it is.

    Args:
        body: The event or command.
        source: The service that says so, such as `dialer`.
        subject: Id of what it is about; becomes the Kafka key.
        sequence: Number of the message for this subject from this source; grows.
        at: The moment of the decision, aware.
        customer_id: Whose it is.
        correlation_id: The story it belongs to; the subject when left out.
        cause: Id of the message that caused it, if any.
    """
    return Envelope(
        id=id_of(source, subject, sequence),
        source=source,
        type=body.type,
        subject=subject,
        time=at,
        dataschema=f"{body.type}.json",
        correlation_id=correlation_id or subject,
        causation_id=cause,
        sequence=sequence,
        customer_id=customer_id,
        body=body,
    )
