"""Pictures that devices sent: where each one is stored."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Moment, sequence

SNAPSHOTS: Final = sa.Table(
    "device_snapshots",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("object", sa.String(255), nullable=False, unique=True),
    sa.Column("media_type", sa.String(32), nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("taken_at", Moment, nullable=False),
    sa.Column("command", sa.String(40)),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(None, "site", "taken_at"),
    sqlite_autoincrement=True,
)

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

SIGNING_KEYS: Final = sa.Table(
    "signing_keys",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("purpose", sa.String(63), primary_key=True),
    sa.Column("key", sa.LargeBinary(32), nullable=False),
)


@dataclass(frozen=True, slots=True)
class NewSnapshot:
    """A picture that was stored."""

    device: str
    object: str
    """Its name in the object storage."""
    media_type: str
    """`image/jpeg` or `image/png`."""
    size: int
    """Bytes."""
    taken_at: datetime
    """When it came."""
    command: str | None = None
    """The command that asked for it."""


@dataclass(frozen=True, slots=True)
class Snapshot(NewSnapshot):
    """A picture as it is kept."""

    seq: int = 0
