"""Which entries of Asterisk's spool were taken: one that is read twice takes effect once.

An entry is deleted from the spool after it was taken. Killed in between, it is read again, and its id says so.
"""

import hashlib
from collections.abc import Collection
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

SPOOLED: Final = sa.Table(
    "device_spooled",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("taken_at", Moment, nullable=False),
    sa.Index(None, "site", "taken_at"),
)


def entry_id(key: str, value: str) -> str:
    """Return the id of an entry: the same however often it is read."""
    return hashlib.sha256(f"{key}\0{value}".encode("utf-8", "surrogatepass")).hexdigest()[:32]


def take(connection: sa.Connection, store: Store, site: str, ids: Collection[str], *, now: datetime) -> frozenset[str]:
    """Take entries in the transaction of their effect; return those that were not taken before."""
    insert = store.insert_new(SPOOLED).returning(SPOOLED.c.id)
    rows = [{"site": site, "id": each, "taken_at": now} for each in ids]
    return frozenset(connection.execute(insert, rows).scalars()) if rows else frozenset()


def prune(store: Store, site: str, before: datetime) -> int:
    """Forget entries that were taken before then: by that time they are deleted from the spool."""
    gone = sa.delete(SPOOLED).where(SPOOLED.c.site == site, SPOOLED.c.taken_at < before)
    with store.write() as connection:
        return connection.execute(gone).rowcount
