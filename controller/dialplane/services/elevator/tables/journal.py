"""The journal of each device: its own log lines, and what happened to it. Bounded, and exported as JSON lines."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Json, Moment, sequence

EntryType = Literal[
    "log", "connected", "superseded", "disconnected", "online", "offline", "conflict", "alarm", "test_call", "command",
    "snapshot", "state",
]  # fmt: skip
"""`log`: a line of the device itself; all others are ours."""

JOURNAL: Final = sa.Table(
    "device_journal",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("type", sa.String(16), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(None, "site", "at"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewEntry:
    """Something to note of a device."""

    device: str
    type: EntryType
    at: datetime
    data: Any
    """A JSON object of up to 4 KB; `log` has `level` and `text`."""


@dataclass(frozen=True, slots=True)
class Entry(NewEntry):
    """An entry of the journal."""

    seq: int = 0
