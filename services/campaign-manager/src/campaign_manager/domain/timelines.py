"""The events of a timeline: what clients call them, and in which order they stand.

The names are VoIPBIN's where it has one for what we tell, and ours with underscores elsewhere.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

NAMES = {
    "campaign.created": "campaign_created",
    "campaign.updated": "campaign_updated",
    "campaign.deleted": "campaign_deleted",
    "campaign.status_changed": "campaign_status_{status}",
    "target.added": "outdialtarget_created",
    "target.changed": "outdialtarget_updated",
    "target.deleted": "outdialtarget_deleted",
    "call.dialing": "call_dialing",
    "call.ringing": "call_ringing",
    "call.answered": "call_progressing",
    "call.hung_up": "call_hangup",
    "call.settled": "campaigncall_updated",
    "flow.started": "activeflow_created",
    "flow.finished": "activeflow_updated",
}


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One message as the log has it.

    Attributes:
        at: When it was decided.
        correlation_id: The attempt that it belongs to, if it does.
    """

    id: str
    type: str
    at: datetime
    source: str
    sequence: int
    correlation_id: str
    cause: str | None
    body: dict[str, Any]

    @property
    def order(self) -> tuple[datetime, str, int, str]:
        """By when it was decided; of one decision, in the order of its messages."""
        return self.at, self.source, self.sequence, self.id

    @property
    def name(self) -> str:
        """What clients call it."""
        name = NAMES.get(self.type, self.type.replace(".", "_"))
        return name.format(status=self.body.get("campaign", {}).get("status", ""))

    @property
    def cursor(self) -> str:
        """Where it stands: what is asked for before or after it goes on there."""
        return f"{self.at.isoformat()}|{self.source}|{self.sequence}|{self.id}"


Cursor = tuple[datetime, str, int, str]


def parse_cursor(text: str) -> Cursor | None:
    """Return the order that a cursor names; None for none.

    Raises:
        ValueError: It is no cursor.
    """
    if not text:
        return None
    at, source, sequence, id_ = text.split("|", 3)
    moment = datetime.fromisoformat(at.replace(" ", "+"))
    if moment.tzinfo is None:
        raise ValueError(text)
    return moment, source, int(sequence), id_


def page_before(
    events: list[TimelineEvent], before: Cursor | None, size: int
) -> tuple[list[TimelineEvent], str]:
    """Return a page of events, newest first, and the cursor of the next one; "": there is none."""
    newest = sorted(events, key=lambda one: one.order, reverse=True)
    rest = [one for one in newest if before is None or one.order < before]
    page = rest[:size]
    return page, page[-1].cursor if len(rest) > size else ""
