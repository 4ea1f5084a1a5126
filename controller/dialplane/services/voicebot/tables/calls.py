"""Calls of bots: one row each, written when it begins, changed as it goes on, closed when it ends."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment


class CallOutcome(StrEnum):
    """How a call of a bot ended."""

    COMPLETED = "completed"
    """The dialogue came to its end."""
    TRANSFERRED = "transferred"
    """It went on elsewhere, as the dialogue says."""
    HUNG_UP = "hung_up"
    """The caller hung up before."""
    FALLBACK = "fallback"
    """The bot could not go on."""
    LOST = "lost"
    """The bot's process ended; Asterisk sent the caller to the fallback."""


BOT_CALLS: Final = sa.Table(
    "bot_calls",
    METADATA,
    sa.Column("id", sa.String(64), primary_key=True),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("bot", sa.String(63), nullable=False),
    sa.Column("caller", sa.String(40), nullable=False),
    sa.Column("replica", sa.String(127), nullable=False),
    sa.Column("campaign", sa.String(63)),
    sa.Column("destination", sa.String(64)),
    sa.Column("began_at", Moment, nullable=False),
    sa.Column("ended_at", Moment),
    sa.Column("outcome", sa.String(16)),
    sa.Column("reason", AnyText),
    sa.Column("state", sa.String(63)),
    sa.Column("target", sa.String(63)),
    sa.Column("variables", Json, nullable=False),
    sa.Column("recording", sa.String(200)),
    sa.Index(None, "site", "began_at"),
    sa.Index(None, "site", "bot", "began_at"),
    sa.Index(None, "site", "caller"),
)


@dataclass(frozen=True, slots=True)
class BotCall:
    """One call of a bot."""

    id: str
    """Asterisk's id of the caller's channel, with the site's start in front: unique over restarts."""
    bot: str
    caller: str
    """The number; empty where it is hidden."""
    replica: str
    began_at: datetime
    campaign: str | None = None
    destination: str | None = None
    """Whom the campaign called."""
    ended_at: datetime | None = None
    outcome: CallOutcome | None = None
    """None while it goes on."""
    reason: str | None = None
    """A sentence, where it went to the fallback."""
    state: str | None = None
    """The last state of the dialogue."""
    target: str | None = None
    """The state whose transfer it took."""
    variables: dict[str, str] | None = None
    recording: str | None = None
    """The key of the recording in the storage."""
