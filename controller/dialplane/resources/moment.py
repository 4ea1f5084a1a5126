"""Times of day, days and time zones."""

import zoneinfo
from datetime import UTC, date, datetime
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Literal

from pydantic import Field

from dialplane.resources.text import NotThisError, Text

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


@cache
def time_zones() -> frozenset[str]:
    """Every time zone's name, from the tz database that Python finds."""
    return frozenset(zoneinfo.available_timezones())


def _time_zone(text: str) -> None:
    if text not in time_zones():
        near = get_close_matches(text, sorted(time_zones()), n=1)
        hint = f"; did you mean {near[0]}?" if near else ", such as Europe/Berlin"
        raise NotThisError(f"a name of the tz database{hint}")


TimeZone = Annotated[
    str,
    Text(
        "a name of the tz database, such as Europe/Berlin",
        r"^[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}$",
        64,
        _time_zone,
    ),
]
"""A name of the tz database, such as `Europe/Berlin`."""

ClockTime = Annotated[str, Text("a time of day HH:MM, such as 08:30", r"^([01][0-9]|2[0-3]):[0-5][0-9]$", 5)]
"""A time of day, `HH:MM`, 00:00 to 23:59."""

ClosingTime = Annotated[
    str, Text("a time of day HH:MM, such as 17:30 or 24:00", r"^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$", 5)
]
"""A time of day at which something ends, `HH:MM`; `24:00` is midnight at the day's end."""


def _calendar_day(text: str) -> None:
    leap_year = "2024-"  # has every day that a yearly date can name
    try:
        date.fromisoformat(text if text.count("-") > 1 else leap_year + text)
    except ValueError as error:
        raise NotThisError("a day of the calendar") from error


HolidayDate = Annotated[
    str,
    Text(
        "a day such as 2026-04-03, or 12-25 for every year",
        r"^(20[0-9][0-9]-)?(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        10,
        _calendar_day,
    ),
]
"""One day (`2026-04-03`), or the same day every year (`12-25`)."""

Timestamp = Annotated[str, Field(max_length=40, json_schema_extra={"format": "date-time"})]
"""A moment in a status, such as `2026-04-03T08:30:00Z`."""


def timestamp(moment: datetime) -> str:
    """Return a moment, which has a zone, as statuses and notifications show it: a `Timestamp`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
