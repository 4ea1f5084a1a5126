"""What happened, to be told: written in the very transaction of the thing itself, and told by the notify service."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence
from dialplane.store.engine import Store

EVENTS: Final = sa.Table(
    "events",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("type", sa.String(63), nullable=False),
    sa.Column("subject_kind", sa.String(63), nullable=False),
    sa.Column("subject_name", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("fanned_out", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Index(None, "site", "fanned_out", "seq"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewEvent:
    """Something that happened."""

    site: str
    type: str
    """Such as `sms.received`: the name of an `EventType` in `resources.kinds`."""
    subject_kind: str
    subject_name: str
    at: datetime
    data: Mapping[str, Any] = field(default_factory=dict)
    """JSON: what a template may show."""


@dataclass(frozen=True, slots=True)
class Event(NewEvent):
    """An event as it is kept."""

    seq: int = 0
    """Its number: larger for each new one."""


def append(connection: sa.Connection, told: Sequence[NewEvent]) -> None:
    """Write events in the transaction of what they tell of."""
    if told:
        connection.execute(sa.insert(EVENTS), [{name: getattr(event, name) for name in _NEW} for event in told])


def record(store: Store, told: Sequence[NewEvent]) -> None:
    """Write events of things that the store keeps nothing else of."""
    with store.write() as connection:
        append(connection, told)


def take(store: Store, site: str, limit: int = 100) -> tuple[Event, ...]:
    """The oldest events that have no deliveries yet; `folding.fan_out` makes them."""
    query = (
        sa.select(EVENTS)
        .where(EVENTS.c.site == site, EVENTS.c.fanned_out.is_(False))
        .order_by(EVENTS.c.seq)
        .limit(limit)
    )
    with store.read() as connection:
        return tuple(_event(row) for row in connection.execute(query))


def waiting(store: Store, site: str) -> bool:
    """Return whether events have no deliveries yet: of what another process wrote nobody here was woken."""
    query = sa.select(EVENTS.c.seq).where(EVENTS.c.site == site, EVENTS.c.fanned_out.is_(False)).limit(1)
    with store.read() as connection:
        return connection.execute(query).first() is not None


def get(store: Store, seq: int) -> Event | None:
    """One event."""
    with store.read() as connection:
        row = connection.execute(sa.select(EVENTS).where(EVENTS.c.seq == seq)).one_or_none()
    return None if row is None else _event(row)


def _event(row: sa.Row[tuple[object, ...]]) -> Event:
    return Event(**{name: getattr(row, name) for name in (*_NEW, "seq")})


_NEW: Final = tuple(NewEvent.__dataclass_fields__)
