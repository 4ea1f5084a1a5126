"""Callbacks that belong to no call we know: kept aside, for people to look at."""

from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment, sequence

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
