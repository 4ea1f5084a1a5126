"""The emergency telephones: the last test call and the last alarm of each device.

An alarm goes `Raised` -> `Answered` -> `Ended`; another call for help before its end changes nothing. No clock
decides: those of Asterisk, of a gateway and of the leader differ, and a call for help must not count as an older one.
"""

from collections.abc import Collection, Mapping, Sequence
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
    sa.Column("overdue_at", Moment),
    sa.Column("alarm", sa.String(16)),
    sa.Column("alarm_since", Moment),
    sa.Column("alarm_raised_at", Moment),
    sa.Column("alarm_notified", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("changed_at", Moment, nullable=False),
    sa.Index(None, "site", "changed_at"),
)


@dataclass(frozen=True, slots=True)
class Telephone:
    """What is recorded of one."""

    device: str
    expected_since: datetime | None = None
    """Since when test calls are expected; None: none is."""
    test_call_at: datetime | None = None
    overdue_at: datetime | None = None
    """When people were notified that the test call is overdue; None once there was one."""
    alarm: AlarmState | None = None
    alarm_since: datetime | None = None
    """When that state began."""
    alarm_raised_at: datetime | None = None
    """When the emergency began."""
    alarm_notified: bool = True
    """Whether people were notified of that emergency."""

    @property
    def in_alarm(self) -> bool:
        """Whether somebody called for help, and nobody has declared the emergency over."""
        return self.alarm in {"Raised", "Answered"}


# --- the last alarm


def raise_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """Begin an emergency; returns whether it is new: while one is open, it is not."""
    with store.write() as connection:
        return note_raised(connection, store, site, device, at, now=at)


def answer_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """Note that somebody spoke with those in the cabin; returns whether that was new."""
    with store.write() as connection:
        return note_answered(connection, site, device, at, now=at)


def end_alarm(store: Store, site: str, device: str, at: datetime) -> bool:
    """End an emergency; returns whether there was one."""
    with store.write() as connection:
        return note_ended(connection, site, device, at, now=at)


def note_raised(
    connection: sa.Connection, store: Store, site: str, device: str, at: datetime, *, now: datetime
) -> bool:
    """Do the same as `raise_alarm`, in the transaction of `connection`; `at` may be long ago."""
    _have_row(connection, store, site, device, now)
    raised = {
        "alarm": "Raised",
        "alarm_since": at,
        "alarm_raised_at": at,
        "alarm_notified": False,
        "changed_at": now,
    }
    may = TELEPHONES.c.alarm.is_(None) | (TELEPHONES.c.alarm == "Ended")
    return bool(connection.execute(sa.update(TELEPHONES).where(_of(site, device), may).values(raised)).rowcount)


def note_answered(connection: sa.Connection, site: str, device: str, at: datetime, *, now: datetime) -> bool:
    """Do the same as `answer_alarm`, likewise; a call of an earlier emergency answers no later one."""
    raised = TELEPHONES.c.alarm_raised_at <= at
    update = sa.update(TELEPHONES).where(_of(site, device), TELEPHONES.c.alarm == "Raised", raised)
    return bool(connection.execute(update.values(alarm="Answered", alarm_since=at, changed_at=now)).rowcount)


def note_ended(connection: sa.Connection, site: str, device: str, at: datetime, *, now: datetime) -> bool:
    """Do the same as `end_alarm`, likewise."""
    open_ = TELEPHONES.c.alarm.in_(("Raised", "Answered"))
    update = sa.update(TELEPHONES).where(_of(site, device), open_)
    return bool(connection.execute(update.values(alarm="Ended", alarm_since=at, changed_at=now)).rowcount)


def note_notified(connection: sa.Connection, site: str, device: str, *, now: datetime) -> bool:
    """Note that people are notified of the emergency; returns False where they were before."""
    update = sa.update(TELEPHONES).where(_of(site, device), TELEPHONES.c.alarm_notified.is_(False))
    return bool(connection.execute(update.values(alarm_notified=True, changed_at=now)).rowcount)


# --- the last test call


def note_test_call(
    connection: sa.Connection, store: Store, site: str, device: str, at: datetime, *, now: datetime
) -> bool:
    """Note a test call; returns whether it is later than the last one."""
    _have_row(connection, store, site, device, now)
    later = TELEPHONES.c.test_call_at.is_(None) | (TELEPHONES.c.test_call_at < at)
    update = sa.update(TELEPHONES).where(_of(site, device), later)
    return bool(connection.execute(update.values(test_call_at=at, overdue_at=None, changed_at=now)).rowcount)


def expect(store: Store, site: str, devices: Collection[str], *, now: datetime) -> int:
    """Expect test calls of these devices from now on, where none was expected yet, and of no others.

    Returns:
        How many devices that changed.
    """
    columns = TELEPHONES.c
    with store.write() as connection:
        query = sa.select(columns.device).where(columns.site == site, columns.expected_since.is_not(None))
        expected = set(connection.execute(query).scalars())
        new, gone = sorted(set(devices) - expected), sorted(expected - set(devices))
        if new:
            rows = [{"site": site, "device": device, "changed_at": now} for device in new]
            connection.execute(store.insert_new(TELEPHONES), rows)
        for names, since in ((new, now), (gone, None)):
            update = sa.update(TELEPHONES).where(columns.site == site, columns.device == sa.bindparam("b_device"))
            if names:
                connection.execute(
                    update.values(expected_since=since, overdue_at=None, changed_at=now),
                    [{"b_device": name} for name in names],
                )
        return len(new) + len(gone)


def note_overdue(connection: sa.Connection, site: str, device: str, *, now: datetime) -> bool:
    """Note that people are notified of a test call that is missing; returns False where they were before."""
    update = sa.update(TELEPHONES).where(_of(site, device), TELEPHONES.c.overdue_at.is_(None))
    return bool(connection.execute(update.values(overdue_at=now, changed_at=now)).rowcount)


def forget_overdue(store: Store, site: str, devices: Collection[str], *, now: datetime) -> None:
    """Note that these are not overdue any more though they made no call: the manifest gives them more time."""
    rows = [{"b_device": name} for name in sorted(devices)]
    mine = (TELEPHONES.c.site == site) & (TELEPHONES.c.device == sa.bindparam("b_device"))
    if rows:
        with store.write() as connection:
            connection.execute(sa.update(TELEPHONES).where(mine).values(overdue_at=None, changed_at=now), rows)


# --- both


def get(store: Store, site: str, devices: Sequence[str] | None = None) -> dict[str, Telephone]:
    """Return what there is of these devices; None: of all."""
    query = sa.select(TELEPHONES).where(TELEPHONES.c.site == site)
    if devices is not None:
        query = query.where(TELEPHONES.c.device.in_(list(devices)))
    with store.read() as connection:
        return {row.device: _telephone(row) for row in connection.execute(query)}


def alarmed(store: Store, site: str) -> dict[str, Telephone]:
    """Return those that ever had an alarm, by device."""
    query = sa.select(TELEPHONES).where(TELEPHONES.c.site == site, TELEPHONES.c.alarm.is_not(None))
    with store.read() as connection:
        return {row.device: _telephone(row) for row in connection.execute(query)}


def in_alarm(store: Store, site: str) -> frozenset[str]:
    """Return the devices whose emergency is open."""
    columns = TELEPHONES.c
    query = sa.select(columns.device).where(columns.site == site, columns.alarm.in_(("Raised", "Answered")))
    with store.read() as connection:
        return frozenset(connection.execute(query).scalars())


def changed(store: Store, site: str, since: datetime) -> dict[str, Telephone]:
    """Return the telephones that changed since then, and those with an emergency that nobody was notified of."""
    columns = TELEPHONES.c
    query = sa.select(TELEPHONES).where(
        columns.site == site, (columns.changed_at >= since) | columns.alarm_notified.is_(False)
    )
    with store.read() as connection:
        return {row.device: _telephone(row) for row in connection.execute(query)}


def _have_row(connection: sa.Connection, store: Store, site: str, device: str, now: datetime) -> None:
    connection.execute(store.insert_new(TELEPHONES), {"site": site, "device": device, "changed_at": now})


def _of(site: str, device: str) -> sa.ColumnElement[bool]:
    return (TELEPHONES.c.site == site) & (TELEPHONES.c.device == device)


def _telephone(row: Any) -> Telephone:
    values: Mapping[str, Any] = {name: getattr(row, name) for name in Telephone.__dataclass_fields__}
    return Telephone(**values)
