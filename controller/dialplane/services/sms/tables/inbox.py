"""Text messages received."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from dialplane.store import events
from dialplane.store.columns import METADATA, AnyText, Moment, sequence
from dialplane.store.engine import Store
from dialplane.store.events import NewEvent

PREFIX: Final = "in-"
"""What an id of the inbox begins with."""
KEPT_AT_LEAST: Final = timedelta(hours=1)
"""How long retention spares a message, whatever their count: as long as its entry may still be in the spool, the row
keeps it from being taken for a new one."""

INBOX: Final = sa.Table(
    "inbox",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("dongle", sa.String(63), nullable=False),
    sa.Column("sender", AnyText, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("stored_at", Moment, nullable=False),
    sa.Column("truncated", sa.Boolean, nullable=False),
    sa.Column("damaged", sa.Boolean, nullable=False),
    sa.Index(None, "site", "seq"),
    sa.Index(None, "site", "dongle", "seq"),
    sa.Index(None, "site", "stored_at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Received:
    """One message received."""

    id: str
    """`in-` and 32 hexadecimal digits, from where it lay in the spool and what it was: see `derived_id`."""
    site: str
    dongle: str
    sender: str
    text: str
    received_at: datetime
    """By Asterisk's clock."""
    stored_at: datetime
    truncated: bool = False
    """Asterisk cut it: it was longer than 3,071 bytes."""
    damaged: bool = False
    """The spool's entry could not be read: `text` is the entry itself."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some messages, the newest first, and where the next page begins."""

    messages: tuple[Received, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which messages; None lets all through."""

    dongle: str | None = None
    sender: str | None = None
    since: datetime | None = None
    """Received then or later."""


def derived_id(site: str, spool_id: str, value: str) -> str:
    """The id of a message: the same however often the entry `value` at `spool_id` is read."""
    told = f"{site}\0{spool_id}\0{value}".encode("utf-8", "surrogateescape")
    return PREFIX + hashlib.sha256(told).hexdigest()[:32]


def add(store: Store, messages: Mapping[Received, Sequence[NewEvent]]) -> frozenset[str]:
    """Keep messages, each with the events that tell of it, in one transaction; those already there change nothing.

    Returns:
        The ids of those that are new.
    """
    if not messages:
        return frozenset()
    insert = store.insert_new(INBOX).returning(INBOX.c.id)
    with store.write() as connection:
        new = frozenset(connection.execute(insert, [_row(message) for message in messages]).scalars())
        events.append(connection, [e for message, told in messages.items() if message.id in new for e in told])
    return new


def page(store: Store, site: str, only: Filter, *, limit: int, before: int | None = None) -> Page:
    """Messages, newest first.

    Args:
        store: the store.
        site: the site's namespace.
        only: which.
        limit: how many at most.
        before: the cursor that the page before gave; messages that arrive meanwhile move nothing.
    """
    query = sa.select(INBOX).where(INBOX.c.site == site).order_by(INBOX.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(INBOX.c.seq < before)
    if only.dongle is not None:
        query = query.where(INBOX.c.dongle == only.dongle)
    if only.sender is not None:
        query = query.where(INBOX.c.sender == only.sender)
    if only.since is not None:
        query = query.where(INBOX.c.received_at >= only.since)
    with store.read() as connection:
        rows = connection.execute(query).all()
    kept = rows[:limit]
    return Page(tuple(_message(row) for row in kept), kept[-1].seq if len(rows) > limit else None)


def get(store: Store, site: str, message_id: str) -> Received | None:
    """One message."""
    with store.read() as connection:
        row = connection.execute(sa.select(INBOX).where(INBOX.c.site == site, INBOX.c.id == message_id)).one_or_none()
    return None if row is None else _message(row)


def counts(store: Store, site: str) -> dict[str, int]:
    """How many messages are kept of each Dongle."""
    query = (
        sa.select(INBOX.c.dongle, sa.func.count().label("kept")).where(INBOX.c.site == site).group_by(INBOX.c.dongle)
    )
    with store.read() as connection:
        return {row.dongle: row.kept for row in connection.execute(query)}


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta, more_than: int) -> int:
    """Forget messages beyond an age or a count, whichever is reached first; returns how many.

    Messages of the last hour (`KEPT_AT_LEAST`) stay in any case.
    """
    mine = INBOX.c.site == site
    newest_beyond = (
        sa.select(INBOX.c.seq).where(mine).order_by(INBOX.c.seq.desc()).offset(more_than).limit(1).scalar_subquery()
    )
    old = INBOX.c.stored_at < now - max(older_than, KEPT_AT_LEAST)
    many = (INBOX.c.seq <= newest_beyond) & (INBOX.c.stored_at < now - KEPT_AT_LEAST)
    with store.write() as connection:
        return connection.execute(sa.delete(INBOX).where(mine, old | many)).rowcount


def _row(message: Received) -> dict[str, object]:
    return {name: getattr(message, name) for name in _FIELDS}


def _message(row: sa.Row[tuple[object, ...]]) -> Received:
    return Received(**{name: getattr(row, name) for name in _FIELDS})


_FIELDS: Final = tuple(Received.__dataclass_fields__)
