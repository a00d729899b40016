"""When and how often a campaign may call, as clients write it and as they are shown it."""

from typing import Annotated, Any, Self

from contracts.campaign import AmbiguousHandle, CallingHours, Campaign, Weekday
from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from campaign_manager.api.fields import Body, wrong
from campaign_manager.domain.hours import is_zone, minute_of, time_of


def _time_of_day(given: str) -> str:
    if minute_of(given) is None:
        raise wrong("is not a time of the day from 00:00 to 24:00")
    return given


def _zone(given: Any) -> Any:
    if given == "":
        return None
    if isinstance(given, str) and not is_zone(given):
        raise wrong("is not the name of a time zone such as America/New_York")
    return given


Zone = Annotated[str | None, BeforeValidator(_zone)]


class HoursBody(Body):
    """One window: on these days, from a time until just before another."""

    days: Annotated[list[Weekday], Field(min_length=1)]
    opens: Annotated[str, AfterValidator(_time_of_day), Field(alias="from")]
    closes: Annotated[str, AfterValidator(_time_of_day), Field(alias="to")]

    @model_validator(mode="after")
    def _opens_before_it_closes(self) -> Self:
        if self.window[1] <= self.window[0]:
            raise wrong(
                "is not after from; write two windows for one that passes midnight", within="to"
            )
        return self

    @property
    def window(self) -> tuple[int, int]:
        """Minutes of the day of its opening and its closing."""
        return minute_of(self.opens) or 0, minute_of(self.closes) or 0

    def to_hours(self) -> CallingHours:
        """Return the window; its days in their order, each once."""
        return CallingHours(
            days=tuple(day for day in Weekday if day in self.days),
            opens_minute=self.window[0],
            closes_minute=self.window[1],
        )


def shown_rules(campaign: Campaign) -> dict[str, Any]:
    """Return the rules that are set; a campaign without any is shown as if there were none."""
    hours = campaign.calling_hours
    rules: dict[str, Any] = {
        "calling_hours": hours and [_shown(window) for window in hours],
        "calling_zone": campaign.calling_zone,
        "attempts_per_number_day": campaign.limits.attempts_per_number_day,
        "attempts_per_number_week": campaign.limits.attempts_per_number_week,
    }
    if campaign.ambiguous_handle is not AmbiguousHandle.COUNT:
        rules["ambiguous_handle"] = campaign.ambiguous_handle.value
    return {name: value for name, value in rules.items() if value is not None}


def _shown(window: CallingHours) -> dict[str, Any]:
    return {
        "days": [day.value for day in window.days],
        "from": time_of(window.opens_minute),
        "to": time_of(window.closes_minute),
    }
