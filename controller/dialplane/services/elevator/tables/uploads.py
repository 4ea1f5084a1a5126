"""Uploads of pictures that devices were asked for: each is good once, and for a while. Of a ticket only its digest."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

UPLOADS: Final = sa.Table(
    "device_uploads",
    METADATA,
    sa.Column("ticket_digest", sa.LargeBinary(32), primary_key=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("command", sa.String(40)),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Index(None, "expires_at"),
)


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that a device was asked for."""

    ticket_digest: bytes
    """SHA-256."""
    device: str
    command: str | None
    """The command that asked for it."""
    expires_at: datetime


def add(store: Store, site: str, uploads: Sequence[Upload]) -> None:
    """Expect these uploads."""
    if not uploads:
        return
    rows = [{"site": site, **{name: getattr(each, name) for name in Upload.__dataclass_fields__}} for each in uploads]
    with store.write() as connection:
        connection.execute(sa.insert(UPLOADS), rows)


def get(store: Store, site: str, ticket_digest: bytes, *, now: datetime) -> Upload | None:
    """Return the upload of a ticket that is still good."""
    query = sa.select(*_FIELDS).where(*_good(site, ticket_digest, now))
    with store.read() as connection:
        row = connection.execute(query).first()
    return None if row is None else Upload(*row)


def redeem(store: Store, site: str, ticket_digest: bytes, *, now: datetime) -> bool:
    """Use a ticket up; of several who try only one succeeds."""
    with store.write() as connection:
        done = connection.execute(sa.delete(UPLOADS).where(*_good(site, ticket_digest, now)))
    return bool(done.rowcount)


def prune(store: Store, site: str, *, now: datetime) -> int:
    """Forget the tickets that have expired, and return how many there were."""
    with store.write() as connection:
        return connection.execute(
            sa.delete(UPLOADS).where(UPLOADS.c.site == site, UPLOADS.c.expires_at <= now)
        ).rowcount


_FIELDS: Final = [UPLOADS.c[name] for name in Upload.__dataclass_fields__]


def _good(site: str, ticket_digest: bytes, now: datetime) -> tuple[sa.ColumnElement[bool], ...]:
    columns = UPLOADS.c
    return (columns.site == site, columns.ticket_digest == ticket_digest, columns.expires_at > now)
