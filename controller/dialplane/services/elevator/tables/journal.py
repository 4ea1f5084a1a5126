"""The journal of each device: its own log lines, and what happened to it. Bounded, and exported as JSON lines."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Json, Moment, sequence
from dialplane.store.engine import Store

EntryType = Literal[
    "log", "connected", "superseded", "disconnected", "online", "offline", "conflict", "alarm", "test_call", "command",
    "snapshot", "state",
]  # fmt: skip
"""`log`: a line of the device itself; all others are ours."""

JOURNAL: Final = sa.Table(
    "device_journal",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(None, "site", "at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """Something to note of a device."""

    device: str
    type: EntryType
    at: datetime
    data: Any
    """A JSON object of up to 4 KB; `log` has `level` and `text`."""


@dataclass(frozen=True, slots=True)
class Entry(NewEntry):
    """An entry of the journal."""

    seq: int = 0


@dataclass(frozen=True, slots=True)
class JournalPage:
    """Some entries, and where the next page begins."""

    entries: tuple[Entry, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


def append(store: Store, site: str, entries: Sequence[NewEntry]) -> None:
    """Note entries, in one transaction and in this order."""
    if entries:
        with store.write() as connection:
            write(connection, site, entries)


def write(connection: sa.Connection, site: str, entries: Sequence[NewEntry]) -> None:
    """Note entries in the transaction of what they are about."""
    if entries:
        rows = [{"site": site, **{name: getattr(each, name) for name in _NEW}} for each in entries]
        connection.execute(sa.insert(JOURNAL), rows)


def page(
    store: Store,
    site: str,
    device: str,
    *,
    limit: int,
    before: int | None = None,
    after: int | None = None,
    types: Collection[EntryType] = (),
    since: datetime | None = None,
) -> JournalPage:
    """Return entries of a device.

    Args:
        store: the database.
        site: the namespace.
        device: its id.
        limit: how many at most.
        before: the cursor that the page before gave: the newest entries come first.
        after: likewise, but the oldest come first, as an export wants them; 0 begins.
        types: only entries of these types; empty: of all.
        since: only entries of that moment or later.
    """
    columns = JOURNAL.c
    query = sa.select(JOURNAL).where(columns.site == site, columns.device == device)
    if before is not None:
        query = query.where(columns.seq < before)
    if after is not None:
        query = query.where(columns.seq > after)
    if types:
        query = query.where(columns.type.in_(sorted(types)))
    if since is not None:
        query = query.where(columns.at >= since)
    order = columns.seq.desc() if after is None else columns.seq
    with store.read() as connection:
        rows = connection.execute(query.order_by(order).limit(limit + 1)).all()
    kept = tuple(Entry(**{name: getattr(row, name) for name in (*_NEW, "seq")}) for row in rows[:limit])
    return JournalPage(kept, kept[-1].seq if len(rows) > limit else None)


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta, more_than: int) -> int:
    """Delete entries beyond an age, or beyond a number of each device, whichever is reached first; returns how many."""
    columns = JOURNAL.c
    nth = sa.func.row_number().over(partition_by=columns.device, order_by=columns.seq.desc()).label("nth")
    numbered = sa.select(columns.seq, nth).where(columns.site == site).subquery()
    beyond = columns.seq.in_(sa.select(numbered.c.seq).where(numbered.c.nth > more_than))
    with store.write() as connection:
        old = sa.delete(JOURNAL).where(columns.site == site, columns.at < now - older_than)
        number = connection.execute(old).rowcount
        return number + connection.execute(sa.delete(JOURNAL).where(columns.site == site, beyond)).rowcount


_NEW: Final = tuple(NewEntry.__dataclass_fields__)
