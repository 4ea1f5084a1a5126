"""Notifications: one event for one Notifier, until it is delivered or given up."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Moment, sequence
from dialplane.store.engine import Store
from dialplane.store.events import EVENTS, Event

State = Literal["pending", "delivered", "dead"]

DELIVERIES: Final = sa.Table(
    "deliveries",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("event", sa.ForeignKey("events.seq"), nullable=False),
    sa.Column("notifier", sa.String(63), nullable=False),
    sa.Column("notifier_uid", sa.String(63), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Column("last_error", AnyText),
    sa.Column("folded", sa.Integer, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("event", "notifier"),
    sa.Index(None, "site", "state", "due_at"),
    sa.Index(None, "site", "notifier", "state"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One event to be told to one Notifier."""

    notifier: str
    notifier_uid: str
    due_at: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """A notification as it is kept."""

    seq: int
    id: str
    """Random; receivers see it, so that they can drop repeats."""
    site: str
    event: int
    """`Event.seq`."""
    notifier: str
    notifier_uid: str
    state: State
    attempts: int
    due_at: datetime
    """When to try, or try again; only while it is pending."""
    last_error: str | None
    folded: int
    """How many more events of the same kind this one stands for."""
    created_at: datetime
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Told:
    """A notification and the event it tells of."""

    delivery: Delivery
    event: Event


@dataclass(frozen=True, slots=True)
class Page:
    """Some notifications, the newest first, and where the next page begins."""

    items: tuple[Told, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


def fan_out(store: Store, event: Event, made: Iterable[NewDelivery], *, now: datetime) -> None:
    """Make the deliveries of an event and mark it, in one transaction; twice makes none twice."""
    rows = [
        {
            "id": secrets.token_hex(16),
            "site": event.site,
            "event": event.seq,
            "notifier": new.notifier,
            "notifier_uid": new.notifier_uid,
            "state": "pending",
            "attempts": 0,
            "due_at": new.due_at,
            "folded": 0,
            "created_at": now,
        }
        for new in made
    ]
    with store.write() as connection:
        if rows:
            connection.execute(store.insert_new(DELIVERIES).values(rows))
        connection.execute(sa.update(EVENTS).where(EVENTS.c.seq == event.seq).values(fanned_out=True))


def due(store: Store, site: str, *, now: datetime, limit: int = 100) -> tuple[Told, ...]:
    """Pending ones whose time has come, the longest due first."""
    mine = (DELIVERIES.c.site == site) & (DELIVERIES.c.state == "pending") & (DELIVERIES.c.due_at <= now)
    query = _TOLD.where(mine).order_by(DELIVERIES.c.due_at, DELIVERIES.c.seq).limit(limit)
    with store.read() as connection:
        return tuple(_told(row) for row in connection.execute(query))


def next_due(store: Store, site: str) -> datetime | None:
    """When the next pending one is due; None where none is pending."""
    mine = (DELIVERIES.c.site == site) & (DELIVERIES.c.state == "pending")
    with store.read() as connection:
        found: datetime | None = connection.execute(sa.select(sa.func.min(DELIVERIES.c.due_at)).where(mine)).scalar()
    return found


def delivered(store: Store, delivery_id: str, *, now: datetime) -> None:
    """The service took it."""
    _end(store, delivery_id, state="delivered", finished_at=now, last_error=None)


def postponed(store: Store, delivery_id: str, *, error: str, due_at: datetime) -> None:
    """It failed and is tried again."""
    _end(store, delivery_id, last_error=error, due_at=due_at)


def given_up(store: Store, delivery_id: str, *, error: str, now: datetime) -> None:
    """It failed for good: kept as a dead letter."""
    _end(store, delivery_id, state="dead", last_error=error, finished_at=now)


def _end(store: Store, delivery_id: str, **values: object) -> None:
    query = (
        sa.update(DELIVERIES)
        .where(DELIVERIES.c.id == delivery_id, DELIVERIES.c.state == "pending")
        .values(attempts=DELIVERIES.c.attempts + 1, **values)
    )
    with store.write() as connection:
        connection.execute(query)


def resend(store: Store, site: str, delivery_id: str, *, now: datetime) -> Told | None:
    """Have it tried again from the first attempt, under its own id; None where there is no such."""
    mine = (DELIVERIES.c.site == site) & (DELIVERIES.c.id == delivery_id)
    with store.write() as connection:
        connection.execute(
            sa.update(DELIVERIES).where(mine).values(state="pending", attempts=0, due_at=now, finished_at=None)
        )
        row = connection.execute(_TOLD.where(mine)).one_or_none()
    return None if row is None else _told(row)


def page(
    store: Store,
    site: str,
    *,
    limit: int,
    before: int | None = None,
    notifier: str | None = None,
    state: State | None = None,
) -> Page:
    """Notifications, newest first; `before` is the cursor that the page before gave."""
    query = _TOLD.where(DELIVERIES.c.site == site).order_by(DELIVERIES.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(DELIVERIES.c.seq < before)
    if notifier is not None:
        query = query.where(DELIVERIES.c.notifier == notifier)
    if state is not None:
        query = query.where(DELIVERIES.c.state == state)
    with store.read() as connection:
        found = [_told(row) for row in connection.execute(query)]
    kept = tuple(found[:limit])
    return Page(kept, kept[-1].delivery.seq if len(found) > limit else None)


def counts(store: Store, site: str) -> dict[tuple[str, State], int]:
    """How many notifications are kept, by Notifier and state."""
    query = (
        sa.select(DELIVERIES.c.notifier, DELIVERIES.c.state, sa.func.count())
        .where(DELIVERIES.c.site == site)
        .group_by(DELIVERIES.c.notifier, DELIVERIES.c.state)
    )
    with store.read() as connection:
        return {(notifier, state): number for notifier, state, number in connection.execute(query)}


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta) -> int:
    """Forget notifications that ended long ago; returns how many."""
    query = sa.delete(DELIVERIES).where(DELIVERIES.c.site == site, DELIVERIES.c.finished_at < now - older_than)
    with store.write() as connection:
        return connection.execute(query).rowcount


_FIELDS: Final = tuple(Delivery.__dataclass_fields__)
_EVENT: Final = tuple(Event.__dataclass_fields__)
_TOLD: Final = sa.select(
    *(DELIVERIES.c[name] for name in _FIELDS), *(EVENTS.c[name].label(f"event_{name}") for name in _EVENT)
).join_from(DELIVERIES, EVENTS)


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in _FIELDS})


def _told(row: sa.Row[tuple[object, ...]]) -> Told:
    return Told(_delivery(row), Event(**{name: getattr(row, f"event_{name}") for name in _EVENT}))
