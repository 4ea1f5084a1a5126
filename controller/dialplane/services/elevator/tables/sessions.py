"""Sessions: which connection of a device counts, and when it was last heard.

Each connect takes the next epoch of its device, in one statement: the newest connection counts, on whatever replica it
is. Whatever is written for a connection names its epoch, so that a late word of an older one changes nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dialplane.store.columns import METADATA, AnyText, Json, Moment
from dialplane.store.engine import Store
from dialplane.store.json_rows import json_rows

SESSIONS: Final = sa.Table(
    "device_sessions",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("epoch", sa.BigInteger, nullable=False),
    sa.Column("replica", sa.String(127), nullable=False),
    sa.Column("was", sa.String(127)),
    sa.Column("address", sa.String(64), nullable=False),
    sa.Column("firmware", AnyText),
    sa.Column("capabilities", Json, nullable=False),
    sa.Column("connected_at", Moment, nullable=False),
    sa.Column("seen_at", Moment, nullable=False),
    sa.Column("closed_at", Moment),
    sa.Column("changed_at", Moment, nullable=False),
    # No other index begins with the site: PostgreSQL, as long as it knows the table as empty, takes any that does, and
    # reads all of the site's sessions to find one of them.
    sa.Index(None, "changed_at"),
    postgresql_with={"fillfactor": 50},  # updates within the page: a third of the log that is written
)


@dataclass(frozen=True, slots=True)
class Connect:
    """A connection that begins."""

    device: str
    address: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Opened:
    """What a connection became."""

    epoch: int
    was: str | None
    """The replica that had the device before, where that connection was not closed."""


@dataclass(frozen=True, slots=True)
class Session:
    """The newest session of a device."""

    device: str
    epoch: int
    replica: str
    address: str
    firmware: str | None
    """What it said last, over this connection or an earlier one."""
    capabilities: tuple[str, ...]
    """What it said over this connection."""
    connected_at: datetime
    seen_at: datetime
    """When it was last heard, as far as the store knows: a replica writes it once a minute, and at the end."""
    closed_at: datetime | None
    changed_at: datetime


def open_all(store: Store, site: str, replica: str, connects: Sequence[Connect], *, now: datetime) -> dict[str, Opened]:
    """Make these the sessions of their devices, in one transaction; of one device only the last one counts.

    Returns:
        Each device's epoch, and who had it before.
    """
    newest = {connect.device: connect for connect in connects}
    if not newest:
        return {}
    rows: list[dict[str, Any]] = [
        {
            "site": site,
            "device": connect.device,
            "epoch": 1,
            "replica": replica,
            "was": None,
            "address": connect.address,
            "firmware": None,
            "capabilities": [],
            "connected_at": connect.at,
            "seen_at": connect.at,
            "closed_at": None,
            "changed_at": now,
        }
        for connect in sorted(newest.values(), key=lambda connect: connect.device)  # locks in one order
    ]
    made = postgresql.insert if store.engine.dialect.name == "postgresql" else sqlite.insert
    insert = made(SESSIONS)
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=["site", "device"],
        set_={
            "epoch": SESSIONS.c.epoch + 1,
            "was": sa.case((SESSIONS.c.closed_at.is_(None), SESSIONS.c.replica)),
            "replica": new.replica,
            "address": new.address,
            "capabilities": new.capabilities,
            "connected_at": new.connected_at,
            "seen_at": new.seen_at,
            "closed_at": None,
            "changed_at": new.changed_at,
        },
    ).returning(SESSIONS.c.device, SESSIONS.c.epoch, SESSIONS.c.was)
    with store.write() as connection:
        return {row.device: Opened(row.epoch, row.was) for row in connection.execute(upsert, rows)}


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a device says of itself."""

    device: str
    epoch: int
    firmware: str | None
    capabilities: tuple[str, ...]


def introduce(store: Store, site: str, introductions: Sequence[Introduction], *, now: datetime) -> None:
    """Note what devices say of themselves; a word of an older connection changes nothing."""
    statement = (
        sa.update(SESSIONS)
        .where(_mine(site))
        .values(firmware=sa.bindparam("b_firmware"), capabilities=sa.bindparam("b_capabilities"), changed_at=now)
    )
    rows = [
        {
            "b_device": each.device,
            "b_epoch": each.epoch,
            "b_firmware": each.firmware,
            "b_capabilities": list(each.capabilities),
        }
        for each in introductions
    ]
    if rows:
        with store.write() as connection:
            connection.execute(statement, rows)


@dataclass(frozen=True, slots=True)
class Heard:
    """When a connection was last heard."""

    device: str
    epoch: int
    at: datetime


def note_heard(store: Store, site: str, heard: Sequence[Heard]) -> None:
    """Note when connections were last heard; once a minute, for all of a replica at once."""
    if heard:
        with store.write() as connection:
            each = _each(connection, heard)
            same = sa.and_(_same(site, each), SESSIONS.c.seen_at < each.c.at)
            connection.execute(sa.update(SESSIONS).where(same).values(seen_at=each.c.at))


def close_all(store: Store, site: str, ended: Sequence[Heard], *, now: datetime) -> None:
    """Close connections, each with the moment at which it was last heard; a newer one of the device stays open."""
    if ended:
        with store.write() as connection:
            each = _each(connection, ended)
            mine = sa.and_(_same(site, each), SESSIONS.c.closed_at.is_(None))
            connection.execute(sa.update(SESSIONS).where(mine).values(seen_at=each.c.at, closed_at=now, changed_at=now))


def close_of_replicas(store: Store, site: str, living: Sequence[str], *, now: datetime) -> int:
    """Close the sessions of replicas that live no more; they keep the moment at which they were last heard.

    Returns:
        How many there were.
    """
    orphaned = (SESSIONS.c.site == site) & SESSIONS.c.closed_at.is_(None) & SESSIONS.c.replica.not_in(list(living))
    with store.write() as connection:
        return connection.execute(sa.update(SESSIONS).where(orphaned).values(closed_at=now, changed_at=now)).rowcount


def lost(store: Store, site: str, replica: str, since: datetime) -> dict[str, int]:
    """Return the devices that another replica took from this one since then, each with its epoch there."""
    columns = SESSIONS.c
    query = sa.select(columns.device, columns.epoch).where(
        columns.site == site, columns.was == replica, columns.replica != replica, columns.changed_at >= since
    )
    with store.read() as connection:
        return {row.device: row.epoch for row in connection.execute(query)}


def open_at(store: Store, site: str, replica: str) -> dict[str, int]:
    """Return the devices whose open session is at this replica, each with its epoch."""
    columns = SESSIONS.c
    query = sa.select(columns.device, columns.epoch).where(
        columns.site == site, columns.replica == replica, columns.closed_at.is_(None)
    )
    with store.read() as connection:
        return dict(iter(connection.execute(query)))


def changed(store: Store, site: str, since: datetime | None) -> tuple[Session, ...]:
    """Return the sessions that changed since then; all of them where it is None."""
    query = sa.select(SESSIONS).where(SESSIONS.c.site == site)
    if since is not None:
        query = query.where(SESSIONS.c.changed_at >= since)
    with store.read() as connection:
        return tuple(_session(row) for row in connection.execute(query))


def get(store: Store, site: str, devices: Sequence[str]) -> dict[str, Session]:
    """Return the newest sessions of these devices; those that never connected have none."""
    query = sa.select(SESSIONS).where(SESSIONS.c.site == site, SESSIONS.c.device.in_(list(devices)))
    with store.read() as connection:
        return {row.device: _session(row) for row in connection.execute(query)}


def open_within(connection: sa.Connection, site: str, devices: Sequence[str]) -> dict[str, Session]:
    """Return the sessions of these devices that are open, in the transaction of the caller."""
    columns = SESSIONS.c
    query = sa.select(SESSIONS).where(
        columns.site == site, columns.device.in_(list(devices)), columns.closed_at.is_(None)
    )
    return {row.device: _session(row) for row in connection.execute(query)}


def _each(connection: sa.Connection, heard: Sequence[Heard]) -> sa.Subquery:
    """What was heard as rows to select from: ten thousand are one statement, and a twentieth of the work."""
    written = "%Y-%m-%d %H:%M:%S.%f"  # as SQLite keeps moments
    rows = [[each.device, each.epoch, each.at.astimezone(UTC).strftime(written)] for each in heard]
    if connection.dialect.name == "postgresql":
        rows = [[device, epoch, f"{at}+00"] for device, epoch, at in rows]
    return json_rows(connection, rows, {"device": sa.String(), "epoch": sa.BigInteger(), "at": Moment()})


def _same(site: str, each: sa.Subquery) -> sa.ColumnElement[bool]:
    columns = SESSIONS.c
    return sa.and_(columns.site == site, columns.device == each.c.device, columns.epoch == each.c.epoch)


def _mine(site: str) -> sa.ColumnElement[bool]:
    columns = SESSIONS.c
    return sa.and_(
        columns.site == site, columns.device == sa.bindparam("b_device"), columns.epoch == sa.bindparam("b_epoch")
    )


def _session(row: Any) -> Session:
    values: Mapping[str, Any] = {name: getattr(row, name) for name in Session.__dataclass_fields__}
    return Session(**{**values, "capabilities": tuple(values["capabilities"])})
