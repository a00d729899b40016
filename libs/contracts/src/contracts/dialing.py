"""What the dialer tells of a whole run: nothing left to dial, or nothing left open."""

from typing import Annotated, Literal

from pydantic import Discriminator, Field, Tag

from contracts.base import CampaignId, Message, Unrecognized, known_among


class DialingExhausted(Message):
    """Nothing is callable, open or waiting for its interval in this run of the campaign."""

    type: Literal["dialing.exhausted"] = "dialing.exhausted"
    campaign_id: CampaignId
    run_number: int


class DialingDrained(Message):
    """The campaign was stopping and its last open attempt has ended."""

    type: Literal["dialing.drained"] = "dialing.drained"
    campaign_id: CampaignId
    run_number: int


DialingFact = DialingExhausted | DialingDrained
DialingEvent = Annotated[
    Annotated[DialingFact, Field(discriminator="type"), Tag("known")]
    | Annotated[Unrecognized, Tag("unrecognized")],
    Discriminator(known_among(DialingFact)),
]
