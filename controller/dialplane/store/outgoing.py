"""Text messages to send, and the parts they go out in."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, Literal

import sqlalchemy as sa

from dialplane.resources.sms_message import Phase
from dialplane.store.columns import METADATA, AnyText, Moment, sequence

PREFIX: Final = "out-"
"""What an id of an outgoing message begins with."""

Source = Literal["resource", "api"]
PartState = Literal["waiting", "sending", "accepted", "sent", "delivered", "failed", "expired", "unknown"]

OUTGOING: Final = sa.Table(
    "outgoing",
    METADATA,
    sequence(),
    sa.Column("id", sa.String(40), nullable=False, unique=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("source", sa.String(16), nullable=False),
    sa.Column("source_uid", sa.String(255), nullable=False),
    sa.Column("name", sa.String(253)),
    sa.Column("recipient", AnyText, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("dongle_asked", sa.String(63)),
    sa.Column("group_asked", sa.String(63)),
    sa.Column("validity_minutes", sa.Integer, nullable=False),
    sa.Column("delivery_report", sa.Boolean, nullable=False),
    sa.Column("phase", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("dongle", sa.String(63)),
    sa.Column("error", AnyText),
    sa.Column("parts_total", sa.Integer, nullable=False),
    sa.Column("parts_sent", sa.Integer, nullable=False),
    sa.Column("parts_delivered", sa.Integer, nullable=False),
    sa.Column("queued_at", Moment, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
    sa.Column("sent_at", Moment),
    sa.Column("delivered_at", Moment),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("site", "source", "source_uid"),
    sa.Index(None, "site", "phase", "seq"),
    sqlite_autoincrement=True,
)

OUTGOING_PARTS: Final = sa.Table(
    "outgoing_parts",
    METADATA,
    sa.Column("message", sa.ForeignKey("outgoing.id", ondelete="CASCADE"), nullable=False),
    sa.Column("index", sa.Integer, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("payload", sa.String(64), nullable=False, unique=True),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("dongle", sa.String(63)),
    sa.Column("error", AnyText),
    sa.Column("sending_at", Moment),
    sa.Column("accepted_at", Moment),
    sa.Column("sent_at", Moment),
    sa.Column("delivered_at", Moment),
    sa.Column("finished_at", Moment),
    sa.PrimaryKeyConstraint("message", "index"),
    sa.Index(None, "state", "dongle"),
)

OUTGOING_REFUSALS: Final = sa.Table(
    "outgoing_refusals",
    METADATA,
    sa.Column("message", sa.ForeignKey("outgoing.id", ondelete="CASCADE"), nullable=False),
    sa.Column("dongle", sa.String(63), nullable=False),
    sa.Column("error", AnyText, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("message", "dongle"),
)
"""Dongles that refused a message before any part of it was taken: they are not asked again."""


@dataclass(frozen=True, slots=True)
class NewOutgoing:
    """A message to send."""

    site: str
    source: Source
    source_uid: str
    """Once for each source: a SmsMessage's uid, or what the caller of the API gave as `Idempotency-Key`."""
    recipient: str
    text: str
    dongle: str | None = None
    """Exactly one of `dongle` and `group`."""
    group: str | None = None
    name: str | None = None
    """The SmsMessage's name."""
    validity: timedelta = timedelta(days=1)
    delivery_report: bool = True


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send, as it is kept."""

    seq: int
    id: str
    """`out-` and 32 hexadecimal digits."""
    site: str
    source: Source
    source_uid: str
    name: str | None
    recipient: str
    text: str
    dongle_asked: str | None
    group_asked: str | None
    validity_minutes: int
    delivery_report: bool
    phase: Phase
    attempts: int
    """How many Dongles were asked to take it."""
    dongle: str | None
    """The Dongle that took it."""
    error: str | None
    parts_total: int
    parts_sent: int
    parts_delivered: int
    queued_at: datetime
    expires_at: datetime
    sent_at: datetime | None
    delivered_at: datetime | None
    finished_at: datetime | None
