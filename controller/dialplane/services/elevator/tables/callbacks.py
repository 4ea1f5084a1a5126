"""What programs are to be told of devices: kept until they answered, and told in order of each device."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Json, Moment, sequence
from dialplane.store.engine import Store

CallbackType = Literal["status", "snapshot"]

CALLBACKS: Final = sa.Table(
    "device_callbacks",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("made_at", Moment, nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("due_at", Moment, nullable=False),
    sa.Index(None, "site", "due_at"),
    sa.Index(None, "site", "device", "seq"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewCallback:
    """Something to tell."""

    device: str
    type: CallbackType
    body: Any
    """JSON."""


@dataclass(frozen=True, slots=True)
class WaitingCallback(NewCallback):
    """Something to tell, as it is kept."""

    seq: int
    made_at: datetime
    attempts: int
    """How often it was tried in vain."""
    due_at: datetime
    """When it is tried next."""


def add(connection: sa.Connection, site: str, new: Sequence[NewCallback], *, now: datetime) -> None:
    """Keep what is to be told, in the transaction of what it tells of."""
    rows = [
        {
            "site": site,
            "device": each.device,
            "type": each.type,
            "body": each.body,
            "made_at": now,
            "attempts": 0,
            "due_at": now,
        }
        for each in new
    ]
    if rows:
        connection.execute(sa.insert(CALLBACKS), rows)


def heads(store: Store, site: str, *, now: datetime) -> tuple[WaitingCallback, ...]:
    """Return the oldest one of each device, where it is due, in the order in which they are due."""
    first = sa.select(sa.func.min(CALLBACKS.c.seq)).where(CALLBACKS.c.site == site).group_by(CALLBACKS.c.device)
    query = (
        sa.select(CALLBACKS)
        .where(CALLBACKS.c.seq.in_(first), CALLBACKS.c.due_at <= now)
        .order_by(CALLBACKS.c.due_at, CALLBACKS.c.seq)
    )
    with store.read() as connection:
        return tuple(_callback(row) for row in connection.execute(query))


def remove(store: Store, seq: int) -> None:
    """Forget one: a program took it, or it is of no use any more."""
    with store.write() as connection:
        connection.execute(sa.delete(CALLBACKS).where(CALLBACKS.c.seq == seq))


def postpone(store: Store, seq: int, due_at: datetime) -> None:
    """Count an attempt in vain, and try again then."""
    again = sa.update(CALLBACKS).where(CALLBACKS.c.seq == seq)
    with store.write() as connection:
        connection.execute(again.values(attempts=CALLBACKS.c.attempts + 1, due_at=due_at))


def prune(store: Store, site: str, *, before: datetime, most: int) -> int:
    """Forget those that were made before then, and the oldest of a device that has more than `most`.

    Returns:
        How many were never told.
    """
    columns = CALLBACKS.c
    place = sa.func.row_number().over(partition_by=columns.device, order_by=columns.seq.desc()).label("place")
    ranked = sa.select(columns.seq, place).where(columns.site == site).subquery()
    surplus = sa.select(ranked.c.seq).where(ranked.c.place > most)
    gone = sa.delete(CALLBACKS).where(columns.site == site, sa.or_(columns.made_at < before, columns.seq.in_(surplus)))
    with store.write() as connection:
        return connection.execute(gone).rowcount


def _callback(row: Any) -> WaitingCallback:
    return WaitingCallback(**{name: getattr(row, name) for name in WaitingCallback.__dataclass_fields__})
