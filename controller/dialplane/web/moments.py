"""Moments that lists are narrowed to."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import Query
from pydantic import AfterValidator, AwareDatetime


def _in_utc(moment: datetime) -> datetime:
    """In the database's own zone, where the year must be one still."""
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("it must be between the years 1 and 9999") from None


_Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]

Since = Annotated[_Moment | None, Query(description="Only those since then, such as `2026-04-03T08:30:00Z`.")]
Until = Annotated[_Moment | None, Query(description="Only those before then, such as `2026-04-04T00:00:00Z`.")]
