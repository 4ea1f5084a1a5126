"""Whom the campaigns call, and how far they are with each."""

from typing import Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, Json, Moment, sequence

DestinationState = Literal["waiting", "calling", "answered", "failed", "skipped"]
"""`skipped`: must not be called, or is no longer on the list."""

DESTINATIONS: Final = sa.Table(
    "campaign_destinations",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("campaign", sa.String(63), nullable=False),
    sa.Column("campaign_uid", sa.String(64), nullable=False),
    sa.Column("number", sa.String(32), nullable=False),
    sa.Column("case_id", sa.String(64)),
    sa.Column("custom", Json, nullable=False),
    sa.Column("listed", sa.Boolean, nullable=False),  # on the list as it is now
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("attempts", sa.Integer, nullable=False),
    sa.Column("next_at", Moment),
    sa.Column("call", sa.String(40)),
    sa.Column("outcome", sa.String(16)),
    sa.Column("finished_at", Moment),
    sa.UniqueConstraint("site", "campaign_uid", "number"),
    sa.Index(None, "site", "campaign_uid", "state", "next_at"),
    sqlite_autoincrement=True,
)
