"""Moments that lists are narrowed to."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime, BeforeValidator

_DATE: Final = re.compile("[0-9]{4}-")


def _in_utc(moment: datetime) -> datetime:
    """In the database's own zone, where the year must be one still."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it must be between the years 1 and 9999") from None


def _written_out(value: object) -> object:
    """Not the seconds since 1970 that pydantic would take, nobody having been promised that."""
    if isinstance(value, str) and not _DATE.match(value):
        raise ValueError("it must be a moment with its time zone, such as 2026-04-03T08:30:00Z")
    return value


_Moment = Annotated[AwareDatetime, BeforeValidator(_written_out), AfterValidator(_in_utc)]

Since = Annotated[_Moment | None, Query(description="Only those since then, such as `2026-04-03T08:30:00Z`.")]
Until = Annotated[_Moment | None, Query(description="Only those before then, such as `2026-04-04T00:00:00Z`.")]
