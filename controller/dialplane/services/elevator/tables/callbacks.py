"""What programs are to be told of devices: kept until they answered, and told in order of each device."""

from collections.abc import Collection, Mapping, Sequence
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


@dataclass(frozen=True, slots=True)
class DueCallback:
    """The oldest callback of a device, without what it says."""

    seq: int
    device: str
    type: CallbackType


def heads(store: Store, site: str, *, now: datetime) -> tuple[DueCallback, ...]:
    """Return the oldest one of each device, where it is due, in the order in which they are due."""
    columns = CALLBACKS.c
    first = sa.select(sa.func.min(columns.seq)).where(columns.site == site).group_by(columns.device)
    query = (
        sa.select(columns.seq, columns.device, columns.type)
        .where(columns.seq.in_(first), columns.due_at <= now)
        .order_by(columns.due_at, columns.seq)
    )
    with store.read() as connection:
        return tuple(DueCallback(*row) for row in connection.execute(query))


def get(store: Store, seq: int) -> WaitingCallback | None:
    """Return a callback; None: it is gone."""
    with store.read() as connection:
        row = connection.execute(sa.select(CALLBACKS).where(CALLBACKS.c.seq == seq)).one_or_none()
    return None if row is None else _callback(row)


def settle(store: Store, done: Collection[int], postponed: Mapping[int, datetime]) -> None:
    """Forget callbacks that were taken, or that nobody wants any more, and try others again, in one transaction.

    Args:
        store: the database.
        done: those to forget, by `seq`.
        postponed: when those are tried next that were tried in vain, by `seq`.
    """
    mine = CALLBACKS.c.seq == sa.bindparam("b_seq")
    again = {"attempts": CALLBACKS.c.attempts + 1, "due_at": sa.bindparam("b_due", type_=Moment())}
    with store.write() as connection:
        if done:
            connection.execute(sa.delete(CALLBACKS).where(mine), [{"b_seq": seq} for seq in sorted(done)])
        if postponed:
            rows = [{"b_seq": seq, "b_due": due_at} for seq, due_at in sorted(postponed.items())]
            connection.execute(sa.update(CALLBACKS).where(mine).values(again), rows)


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
