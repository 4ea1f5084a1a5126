"""Callbacks that belong to no call we know: kept aside, for people to look at."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence
from dialplane.store.engine import Store

KEPT_MOST: Final = 1000
"""Callbacks kept of one tenant: for a new one the oldest goes."""

ASIDES: Final = sa.Table(
    "callbacks_aside",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("digest", sa.String(64), nullable=False),  # of the body: the same one twice is kept once
    sa.Column("received_at", Moment, nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.UniqueConstraint("site", "tenant", "digest"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewAside:
    """A callback to keep aside."""

    tenant: str
    """Whose secret it knew."""
    digest: str
    """SHA-256 of the body as it came, in hexadecimal."""
    received_at: datetime
    reason: str
    """Why it belongs to no call."""
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class UnmatchedCallback:
    """A callback that is kept aside."""

    seq: int
    tenant: str
    received_at: datetime
    reason: str
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Page:
    """Some callbacks, the newest first, and where the next page begins."""

    asides: tuple[UnmatchedCallback, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


def add(store: Store, site: str, new: NewAside) -> bool:
    """Keep a callback aside; False where the same one is there already."""
    mine = (ASIDES.c.site == site) & (ASIDES.c.tenant == new.tenant)
    oldest_kept = sa.select(ASIDES.c.seq).where(mine).order_by(ASIDES.c.seq.desc()).offset(KEPT_MOST - 1).limit(1)
    with store.write() as connection:
        row = {name: getattr(new, name) for name in NewAside.__dataclass_fields__} | {"site": site}
        fresh = bool(connection.execute(store.insert_new(ASIDES).returning(ASIDES.c.seq), [row]).all())
        if fresh:
            connection.execute(sa.delete(ASIDES).where(mine, ASIDES.c.seq < oldest_kept.scalar_subquery()))
    return fresh


def page(
    store: Store, site: str, *, limit: int, before: int | None = None, tenants: frozenset[str] | None = None
) -> Page:
    """Callbacks kept aside, the newest first, of all tenants or of these."""
    query = sa.select(ASIDES).where(ASIDES.c.site == site).order_by(ASIDES.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(ASIDES.c.seq < before)
    if tenants is not None:
        query = query.where(ASIDES.c.tenant.in_(tenants))
    with store.read() as connection:
        found = [
            UnmatchedCallback(**{name: getattr(row, name) for name in _FIELDS}) for row in connection.execute(query)
        ]
    kept = tuple(found[:limit])
    return Page(kept, kept[-1].seq if len(found) > limit else None)


_FIELDS: Final = tuple(UnmatchedCallback.__dataclass_fields__)
