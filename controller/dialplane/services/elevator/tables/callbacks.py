"""What programs are to be told of devices: kept until they answered, and told in order of each device."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Json, Moment, sequence

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
class Callback(NewCallback):
    """Something to tell, as it is kept."""

    seq: int
    made_at: datetime
    attempts: int
    """How often it was tried in vain."""
    due_at: datetime
    """When it is tried next."""
