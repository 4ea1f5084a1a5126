"""Pictures that devices sent: where each one is stored."""

import secrets
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.elevator.tables import callbacks, journal
from dialplane.services.elevator.tables.callbacks import NewCallback
from dialplane.services.elevator.tables.journal import NewEntry
from dialplane.store.columns import METADATA, Moment, sequence
from dialplane.store.engine import Store

SNAPSHOTS: Final = sa.Table(
    "device_snapshots",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("object", sa.String(255), nullable=False, unique=True),
    sa.Column("media_type", sa.String(32), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("taken_at", Moment, nullable=False),
    sa.Column("command", sa.String(40)),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(None, "site", "taken_at"),
    sqlite_autoincrement=True,
)

SIGNING_KEYS: Final = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("purpose", sa.String(63), primary_key=True),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A picture that was stored."""

    device: str
    object: str
    """Its name in the object storage."""
    media_type: str
    """`image/jpeg` or `image/png`."""
    size: int
    """Bytes."""
    taken_at: datetime
    """When it came."""
    command: str | None = None
    """The command that asked for it."""


@dataclass(frozen=True, slots=True)
class Snapshot(NewSnapshot):
    """A picture as it is kept."""

    seq: int = 0


@dataclass(frozen=True, slots=True)
class SnapshotPage:
    """Some pictures of a device, the newest first."""

    snapshots: tuple[Snapshot, ...]
    next: int | None
    """`before` of the page after; None: there is none."""


def add(store: Store, site: str, snapshot: NewSnapshot, callback: NewCallback, *, now: datetime) -> bool:
    """Note a picture that is stored, in the journal too; one that was noted before is left as it is.

    Args:
        store: the database.
        site: the namespace.
        snapshot: the picture.
        callback: what a program is told of it, where its device has one.
        now: the time.

    Returns:
        Whether it is new.
    """
    new = store.insert_new(SNAPSHOTS).values(site=site, **asdict(snapshot)).returning(SNAPSHOTS.c.seq)
    data: dict[str, Any] = {"object": snapshot.object, "size": snapshot.size, "media_type": snapshot.media_type}
    if snapshot.command is not None:
        data["command"] = snapshot.command
    with store.write() as connection:
        if connection.execute(new).first() is None:
            return False
        journal.write(connection, site, [NewEntry(snapshot.device, "snapshot", snapshot.taken_at, data)])
        callbacks.add(connection, site, [callback], now=now)
    return True


def get(store: Store, site: str, device: str, seq: int) -> Snapshot | None:
    """Return one picture of a device."""
    columns = SNAPSHOTS.c
    query = sa.select(SNAPSHOTS).where(columns.site == site, columns.device == device, columns.seq == seq)
    with store.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else _snapshot(row)


def page(store: Store, site: str, device: str, *, limit: int, before: int | None = None) -> SnapshotPage:
    """Return up to `limit` pictures of a device, the newest first: those with a `seq` under `before`."""
    columns = SNAPSHOTS.c
    query = sa.select(SNAPSHOTS).where(columns.site == site, columns.device == device)
    if before is not None:
        query = query.where(columns.seq < before)
    with store.read() as connection:
        rows = connection.execute(query.order_by(columns.seq.desc()).limit(limit + 1)).all()
    found = tuple(_snapshot(row) for row in rows[:limit])
    return SnapshotPage(found, found[-1].seq if len(rows) > limit else None)


def newest(store: Store, site: str, devices: Sequence[str] | None = None, *, after: int = 0) -> dict[str, Snapshot]:
    """Return the newest picture of each of these devices that has any; of all devices where it is None.

    `after`: only those with a larger `seq`.
    """
    columns = SNAPSHOTS.c
    new = sa.and_(columns.site == site, columns.seq > after)
    last = sa.select(sa.func.max(columns.seq)).where(new).group_by(columns.device)
    if devices is not None:
        last = last.where(columns.device.in_(list(devices)))
    query = sa.select(SNAPSHOTS).where(columns.seq.in_(last))
    with store.read() as connection:
        return {row.device: _snapshot(row) for row in connection.execute(query)}


@dataclass(frozen=True, slots=True)
class KeptSnapshots:
    """How many pictures of a device there are."""

    count: int
    oldest: datetime


def kept(store: Store, site: str) -> dict[str, KeptSnapshots]:
    """Return how many pictures there are of each device, and since when."""
    columns = SNAPSHOTS.c
    query = sa.select(columns.device, sa.func.count(), sa.func.min(columns.taken_at)).where(columns.site == site)
    with store.read() as connection:
        rows = connection.execute(query.group_by(columns.device)).all()
    return {device: KeptSnapshots(count, oldest) for device, count, oldest in rows}


def surplus(store: Store, site: str, device: str, *, before: datetime, most: int, limit: int) -> tuple[Snapshot, ...]:
    """Return up to `limit` pictures of a device that came before then, or are older than the newest `most`."""
    columns = SNAPSHOTS.c
    of_device = (columns.site == site) & (columns.device == device)
    newest_too_many = (
        sa.select(columns.seq).where(of_device).order_by(columns.seq.desc()).offset(most).limit(1).scalar_subquery()
    )
    old = of_device & ((columns.taken_at < before) | (columns.seq <= newest_too_many))
    query = sa.select(SNAPSHOTS).where(old).order_by(columns.seq).limit(limit)
    with store.read() as connection:
        return tuple(_snapshot(row) for row in connection.execute(query))


def remove(store: Store, site: str, seqs: Sequence[int]) -> None:
    """Forget pictures, whose objects are deleted."""
    with store.write() as connection:
        connection.execute(sa.delete(SNAPSHOTS).where(SNAPSHOTS.c.site == site, SNAPSHOTS.c.seq.in_(list(seqs))))


def signing_key(store: Store, site: str, purpose: str, length: int) -> bytes:
    """Return the key of a site for a purpose: made once, and the same one for all processes."""
    columns = SIGNING_KEYS.c
    made = store.insert_new(SIGNING_KEYS).values(site=site, purpose=purpose, key=secrets.token_bytes(length))
    query = sa.select(columns.key).where(columns.site == site, columns.purpose == purpose)
    with store.read() as connection:
        key = connection.execute(query).scalar_one_or_none()
    if key is None:
        with store.write() as connection:
            connection.execute(made)
            key = connection.execute(query).scalar_one()
    return bytes(key)


def _snapshot(row: Any) -> Snapshot:
    return Snapshot(**{name: getattr(row, name) for name in Snapshot.__dataclass_fields__})
