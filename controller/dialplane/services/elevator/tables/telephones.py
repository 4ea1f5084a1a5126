"""The emergency telephones: the last test call and the last alarm of each device."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

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


def raise_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """Begin an emergency; returns whether it is new: while one is open, or for a word of an older one, it is not."""
    columns = TELEPHONES.c
    row = {"site": site, "device": device, "changed_at": at}
    began = {"alarm": "Raised", "alarm_since": at, "alarm_raised_at": at, "changed_at": at}
    over = columns.alarm.is_(None) | ((columns.alarm == "Ended") & (columns.alarm_since < at))
    with store.write() as connection:
        connection.execute(store.insert_new(TELEPHONES).values(row))
        return connection.execute(sa.update(TELEPHONES).where(_of(site, device), over).values(began)).rowcount > 0


def answer_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """Note that somebody spoke with those in the cabin; returns whether that was new."""
    return _go_on(store, site, device, at, ("Raised",), "Answered")


def end_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """End an emergency; returns whether there was one."""
    return _go_on(store, site, device, at, ("Raised", "Answered"), "Ended")


def get(store: Store, site: str, devices: Sequence[str] | None = None) -> dict[str, Telephone]:
    """Return what there is of these devices; None: of all."""
    query = sa.select(TELEPHONES).where(TELEPHONES.c.site == site)
    if devices is not None:
        query = query.where(TELEPHONES.c.device.in_(list(devices)))
    with store.read() as connection:
        return {row.device: _telephone(row) for row in connection.execute(query)}


def _go_on(store: Store, site: str, device: str, at: datetime, states: tuple[AlarmState, ...], to: AlarmState) -> bool:
    columns = TELEPHONES.c
    here = sa.and_(_of(site, device), columns.alarm.in_(states), columns.alarm_raised_at <= at)
    with store.write() as connection:
        changed = sa.update(TELEPHONES).where(here).values(alarm=to, alarm_since=at, changed_at=at)
        return connection.execute(changed).rowcount > 0


def _of(site: str, device: str) -> sa.ColumnElement[bool]:
    return (TELEPHONES.c.site == site) & (TELEPHONES.c.device == device)


def _telephone(row: Any) -> Telephone:
    return Telephone(**{name: getattr(row, name) for name in Telephone.__dataclass_fields__})
