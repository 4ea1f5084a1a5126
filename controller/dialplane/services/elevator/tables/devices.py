"""Tokens that Dialplane made for devices, and devices that registered themselves: of a token only its digest."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Moment

DEVICES: Final = sa.Table(
    "devices",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("location", AnyText),
    sa.Column("profile", sa.String(63)),
    sa.Column("token_digest", sa.LargeBinary(32), nullable=False),
    sa.Column("made_by", sa.String(253), nullable=False),
    sa.Column("made_at", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Registered:
    """A device that has a token of ours."""

    device: str
    location: str | None
    """Of one that registered itself; None: a manifest says it."""
    profile: str | None
    """The ElevatorDevice whose settings a device without a manifest has."""
    token_digest: bytes
    """SHA-256."""
    made_by: str
    """The name of the token that asked for it."""
    made_at: datetime
