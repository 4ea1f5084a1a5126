"""Turns: what was said in a call of a bot, by whom and when, and how long the bot took."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment

BOT_TURNS: Final = sa.Table(
    "bot_turns",
    METADATA,
    sa.Column("call", sa.String(64), sa.ForeignKey("bot_calls.id", ondelete="CASCADE"), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("speaker", sa.String(8), nullable=False),
    sa.Column("state", sa.String(63), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("details", Json, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One turn."""

    speaker: str
    """`caller`, `bot`, or `system` for what was done."""
    state: str
    """Of the dialogue."""
    at: datetime
    """When it began."""
    seconds: float
    """How long it took."""
    text: str
    """What was said; of the bot, what the caller heard of it."""
    details: dict[str, object]
    """Where it applies: `heard_seconds`, `interrupted`, `keys`, `confidence`, `value`, and the seconds of the way from
    the caller's last sound to the bot's first: `end_of_speech`, `recognition`, `decision`, `first_audio`."""
