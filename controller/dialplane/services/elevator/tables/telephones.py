"""The emergency telephones: the last test call and the last alarm of each device."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment

AlarmState = Literal["Raised", "Answered", "Ended"]

TELEPHONES: Final = sa.Table(
    "device_telephones",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("expected_since", Moment),
    sa.Column("test_call_at", Moment),
    sa.Column("alarm", sa.String(16)),
    sa.Column("alarm_since", Moment),
    sa.Column("alarm_raised_at", Moment),
    sa.Column("changed_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Telephone:
    """What is known of one."""

    device: str
    expected_since: datetime | None
    """Since when test calls are expected: one that was never made is overdue from then on."""
    test_call_at: datetime | None
    alarm: AlarmState | None
    alarm_since: datetime | None
    """When that state began."""
    alarm_raised_at: datetime | None
    """When the emergency began."""
