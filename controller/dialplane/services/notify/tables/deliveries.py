"""Notifications: one event for one Notifier, until it is delivered or given up."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Moment, sequence
from dialplane.store.engine import Store
from dialplane.store.events import EVENTS, Event

State = Literal["pending", "delivered", "dead", "dropped"]
"""`dead`: given up. `dropped`: its Notifier was deleted or disabled before it was told."""

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
    sa.Column("topic", AnyText),
    sa.Column("window_at", Moment, nullable=False),
    sa.Column("created_at", Moment, nullable=False),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("event", "notifier"),
    sa.Index(None, "site", "notifier", "state", "due_at"),
    sa.Index(None, "site", "notifier", "topic", "seq"),
    sa.Index(None, "site", "finished_at"),
    sa.Index(None, "event"),
    sqlite_autoincrement=True,
)


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
    """How many more events of the same kind this one stands for; `event` is the newest of them."""
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


@dataclass(frozen=True, slots=True)
class Standing:
    """How telling one Notifier goes, as far as the store remembers."""

    delivered: int = 0
    dead: int = 0
    pending: int = 0
    last_delivered_at: datetime | None = None


def upcoming(store: Store, site: str, notifier: str, uid: str, *, limit: int) -> tuple[Told, ...]:
    """The pending ones of one Notifier, the longest due first, those that are not due yet included."""
    mine = (
        (DELIVERIES.c.site == site)
        & (DELIVERIES.c.notifier == notifier)
        & (DELIVERIES.c.notifier_uid == uid)
        & (DELIVERIES.c.state == "pending")
    )
    query = _TOLD.where(mine).order_by(DELIVERIES.c.due_at, DELIVERIES.c.seq).limit(limit)
    with store.read() as connection:
        return tuple(_told(row) for row in connection.execute(query))


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
            sa.update(DELIVERIES)
            .where(mine)
            .values(state="pending", attempts=0, due_at=now, window_at=now, finished_at=None)
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


def hurry(store: Store, site: str, notifier: str, *, now: datetime) -> None:
    """Try at once what failed before: the Notifier has changed."""
    failed = (DELIVERIES.c.state == "pending") & (DELIVERIES.c.attempts > 0) & (DELIVERIES.c.due_at > now)
    query = sa.update(DELIVERIES).where(DELIVERIES.c.site == site, DELIVERIES.c.notifier == notifier, failed)
    with store.write() as connection:
        connection.execute(query.values(due_at=now))


def drop_others(store: Store, site: str, uids: Mapping[str, str], *, now: datetime) -> int:
    """End what is pending for other Notifiers than these (their uid by name); returns how many."""
    pending = (DELIVERIES.c.site == site) & (DELIVERIES.c.state == "pending")
    with store.read() as connection:
        found = connection.execute(
            sa.select(DELIVERIES.c.notifier, DELIVERIES.c.notifier_uid).where(pending).distinct()
        )
        others = [(name, uid) for name, uid in found if uids.get(name) != uid]
    if not others:
        return 0
    ended = 0
    with store.write() as connection:
        for name, uid in others:
            mine = pending & (DELIVERIES.c.notifier == name) & (DELIVERIES.c.notifier_uid == uid)
            query = sa.update(DELIVERIES).where(mine).values(state="dropped", finished_at=now)
            ended += connection.execute(query).rowcount
    return ended


def give_up_older(store: Store, site: str, *, now: datetime, older_than: timedelta, error: str) -> int:
    """Give up what has been pending for so long, tried or not; returns how many."""
    query = sa.update(DELIVERIES).where(
        DELIVERIES.c.site == site, DELIVERIES.c.state == "pending", DELIVERIES.c.window_at < now - older_than
    )
    values = {"state": "dead", "finished_at": now, "last_error": sa.func.coalesce(DELIVERIES.c.last_error, error)}
    with store.write() as connection:
        return connection.execute(query.values(**values)).rowcount


def standings(store: Store, site: str) -> dict[tuple[str, str], Standing]:
    """How telling goes, by name and uid of the Notifier."""
    query = (
        sa.select(
            DELIVERIES.c.notifier,
            DELIVERIES.c.notifier_uid,
            *(sa.func.count(sa.case((DELIVERIES.c.state == state, 1))) for state in ("delivered", "dead", "pending")),
            sa.func.max(sa.case((DELIVERIES.c.state == "delivered", DELIVERIES.c.finished_at)), type_=Moment()),
        )
        .where(DELIVERIES.c.site == site)
        .group_by(DELIVERIES.c.notifier, DELIVERIES.c.notifier_uid)
    )
    with store.read() as connection:
        return {(name, uid): Standing(*found) for name, uid, *found in connection.execute(query)}


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta, dead_older_than: timedelta) -> int:
    """Forget notifications that ended long ago, and old events without any; returns how many of the former."""
    dead = DELIVERIES.c.state == "dead"
    over = (~dead & (DELIVERIES.c.finished_at < now - older_than)) | (
        dead & (DELIVERIES.c.finished_at < now - dead_older_than)
    )
    told = sa.exists().where(DELIVERIES.c.event == EVENTS.c.seq)
    old = (EVENTS.c.site == site) & EVENTS.c.fanned_out.is_(True) & (EVENTS.c.at < now - older_than)
    with store.write() as connection:
        gone = connection.execute(sa.delete(DELIVERIES).where(DELIVERIES.c.site == site, over)).rowcount
        connection.execute(sa.delete(EVENTS).where(old, ~told))
    return gone


_FIELDS: Final = tuple(Delivery.__dataclass_fields__)
_EVENT: Final = tuple(Event.__dataclass_fields__)
_TOLD: Final = sa.select(
    *(DELIVERIES.c[name] for name in _FIELDS), *(EVENTS.c[name].label(f"event_{name}") for name in _EVENT)
).join_from(DELIVERIES, EVENTS)


def _delivery(row: sa.Row[tuple[object, ...]]) -> Delivery:
    return Delivery(**{name: getattr(row, name) for name in _FIELDS})


def _told(row: sa.Row[tuple[object, ...]]) -> Told:
    return Told(_delivery(row), Event(**{name: getattr(row, f"event_{name}") for name in _EVENT}))
