"""From events to deliveries: where a Notifier folds, a storm of the same event becomes two of them in a window."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import sqlalchemy as sa

from dialplane.services.notify.tables.deliveries import DELIVERIES
from dialplane.store.engine import Store
from dialplane.store.events import EVENTS, Event

_STALE: Final = timedelta(seconds=1)
"""What is due so soon may be on its way with the old count: it is left alone."""


@dataclass(frozen=True, slots=True)
class NewDelivery:
    """One event to be told to one Notifier."""

    notifier: str
    notifier_uid: str
    fold_seconds: int = 0
    """The same event of the same subject is told once in so many seconds; 0: each is told."""


def fan_out(store: Store, told: Iterable[tuple[Event, Iterable[NewDelivery]]], *, now: datetime) -> None:
    """Make the deliveries of events and mark these, in one transaction; twice makes none twice.

    Where a Notifier folds, the first of the same event and subject is due at once. What follows within the window goes
    into one more, due when the window is over.
    """
    given = {event.seq: (event, tuple(made)) for event, made in told}
    with store.write() as connection:
        marked = (
            sa.update(EVENTS)
            .where(EVENTS.c.seq.in_(given), EVENTS.c.fanned_out.is_(False))
            .values(fanned_out=True)
            .returning(EVENTS.c.seq)
        )
        folder = _Folder(connection, now)
        for seq in sorted(connection.execute(marked).scalars()):
            event, made = given[seq]
            for new in made:
                folder.add(event, new)
        folder.write()


@dataclass(slots=True)
class _Last:
    """The newest delivery of a topic for a Notifier: kept already, or about to be."""

    seq: int | None
    window_at: datetime
    waits: bool
    """Not tried yet, and not due for a while: more goes into it."""
    folded: int
    event: int


class _Folder:
    """Collects the deliveries of some events, so that a storm is few statements."""

    def __init__(self, connection: sa.Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._rows: list[tuple[dict[str, object], _Last]] = []
        self._lasts: dict[tuple[str, str, str], _Last | None] = {}

    def add(self, event: Event, new: NewDelivery) -> None:
        """One event for one Notifier."""
        if not new.fold_seconds:
            self._make(event, new, None, self._now)
            return
        topic, window = f"{event.type} {event.subject_kind}/{event.subject_name}", timedelta(seconds=new.fold_seconds)
        key = (new.notifier, new.notifier_uid, topic)
        if key not in self._lasts:
            self._lasts[key] = self._kept(event.site, key, self._now + min(_STALE, window / 4))
        last = self._lasts[key]
        if last is not None and last.waits:
            last.folded, last.event = last.folded + 1, event.seq
            return
        starts = self._now
        if last is not None:
            # A window that ends later than that comes of a clock that was set back.
            starts = min(max(starts, last.window_at + window), starts + window)
        self._lasts[key] = self._make(event, new, topic, starts)

    def write(self) -> None:
        """Write what was collected."""
        for last in self._lasts.values():
            if last is not None and last.seq is not None and last.waits:
                more = sa.update(DELIVERIES).where(DELIVERIES.c.seq == last.seq)
                self._connection.execute(more.values(folded=last.folded, event=last.event))
        if self._rows:
            rows = [{**row, "folded": last.folded, "event": last.event} for row, last in self._rows]
            self._connection.execute(sa.insert(DELIVERIES), rows)

    def _kept(self, site: str, key: tuple[str, str, str], due_after: datetime) -> _Last | None:
        notifier, uid, topic = key
        mine = (
            (DELIVERIES.c.site == site)
            & (DELIVERIES.c.notifier == notifier)
            & (DELIVERIES.c.notifier_uid == uid)
            & (DELIVERIES.c.topic == topic)
        )
        query = sa.select(DELIVERIES).where(mine).order_by(DELIVERIES.c.seq.desc()).limit(1).with_for_update()
        row = self._connection.execute(query).first()
        if row is None:
            return None
        waits = row.state == "pending" and row.attempts == 0 and row.due_at > due_after
        return _Last(row.seq, row.window_at, waits, row.folded, row.event)

    def _make(self, event: Event, new: NewDelivery, topic: str | None, starts: datetime) -> _Last:
        row: dict[str, object] = {
            "id": secrets.token_hex(16),
            "site": event.site,
            "notifier": new.notifier,
            "notifier_uid": new.notifier_uid,
            "state": "pending",
            "attempts": 0,
            "due_at": starts,
            "topic": topic,
            "window_at": starts,
            "created_at": self._now,
        }
        last = _Last(None, starts, starts > self._now, 0, event.seq)
        self._rows.append((row, last))
        return last
