"""Commands to devices, each in exactly one state.

`queued` -> `sent` -> `acknowledged` -> one of the ends. A command is noted as sent *before* its bytes go out, by the
replica whose connection counts: so nothing is ever sent twice without the store knowing. What is physical is never sent
a second time; what is safe goes back to `queued` where its connection ended without an answer.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence

CommandState = Literal[
    "queued", "sent", "acknowledged", "succeeded", "failed", "rejected", "expired", "unknown", "delivered"
]
"""`queued`: it waits for the device. `sent`: it is on its way. `acknowledged`: the device has it. The ends: the device
carried it out (`succeeded`), or tried to (`failed`), or refused (`rejected`); its deadline passed before it was sent
(`expired`); nobody knows what became of it (`unknown`); it was sent to a device that acknowledges nothing
(`delivered`)."""

LIVE_STATES: Final[tuple[CommandState, ...]] = ("queued", "sent", "acknowledged")
_LIVE: Final = "state IN ('queued', 'sent', 'acknowledged')"

COMMANDS: Final = sa.Table(
    "device_commands",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("device", sa.String(63), nullable=False),
    sa.Column("name", sa.String(64), nullable=False),
    sa.Column("physical", sa.Boolean, nullable=False),
    sa.Column("data", Json, nullable=False),
    sa.Column("token", sa.String(253), nullable=False),
    sa.Column("request_key", sa.String(160), nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("deadline", Moment, nullable=False),
    sa.Column("epoch", sa.BigInteger),
    sa.Column("replica", sa.String(127)),
    sa.Column("sends", sa.Integer, nullable=False, server_default="0"),
    sa.Column("queued_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("acknowledged_at", Moment),
    sa.Column("ended_at", Moment),
    sa.Column("reason", AnyText),
    sa.Column("result", Json, nullable=False),
    sa.UniqueConstraint("site", "token", "request_key", "device"),
    sa.Index(None, "site", "device", "seq"),
    sa.Index(
        "ix_device_commands_live",
        "site",
        "device",
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sa.Index(
        "ix_device_commands_live_deadline",
        "site",
        "deadline",
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    ),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class NewCommand:
    """A command that somebody wants sent."""

    device: str
    name: str
    physical: bool
    data: Any
    """JSON, up to 4 KB."""
    token: str
    """The name of the token that asked for it."""
    request_key: str
    """The same one again is the same command."""
    deadline: datetime
    """It is not sent after that."""


@dataclass(frozen=True, slots=True)
class Command(NewCommand):
    """A command as it is kept."""

    id: str = ""
    seq: int = 0
    state: CommandState = "queued"
    epoch: int | None = None
    """Of the connection that it was sent over."""
    replica: str | None = None
    sends: int = 0
    """How often it was sent."""
    queued_at: datetime | None = None
    sent_at: datetime | None = None
    acknowledged_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str | None = None
    """Why it ended so."""
    result: Any = None
    """JSON: what the device answered."""


@dataclass(frozen=True, slots=True)
class Change:
    """What a device, or its connection, made of a command that was sent."""

    id: str
    epoch: int
    """Of the connection: a word of an older one changes nothing."""
    state: CommandState
    reason: str | None = None
    result: Any = None


def command(row: Any) -> Command:
    """Return a row of the table."""
    values: Mapping[str, Any] = {name: getattr(row, name) for name in Command.__dataclass_fields__}
    return Command(**values)


FIELDS: Final[Sequence[str]] = tuple(NewCommand.__dataclass_fields__)
