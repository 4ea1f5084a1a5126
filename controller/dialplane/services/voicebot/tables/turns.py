"""Turns: what was said in a call of a bot, by whom and when, and how long the bot took."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment
from dialplane.store.engine import Store

BOT_TURNS: Final = sa.Table(
    "bot_turns",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("call", sa.String(64), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("speaker", sa.String(8), nullable=False),
    sa.Column("state", sa.String(63), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False),
    sa.Column("text", AnyText, nullable=False),
    sa.Column("details", Json, nullable=False),
    sa.ForeignKeyConstraint(["site", "call"], ["bot_calls.site", "bot_calls.id"], ondelete="CASCADE"),
)

TURNS_MOST: Final = 2000
"""Turns of a call that are shown; the longest call has room for no more."""


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


def of_call(store: Store, site: str, call: str) -> tuple[Turn, ...]:
    """Return the turns of a call in their order, `TURNS_MOST` at most."""
    columns = BOT_TURNS.c
    query = sa.select(BOT_TURNS).where(columns.site == site, columns.call == call)
    with store.read() as connection:
        rows = connection.execute(query.order_by(columns.number).limit(TURNS_MOST)).all()
    return tuple(_turn(row) for row in rows)


def _turn(row: Any) -> Turn:
    return Turn(**{name: getattr(row, name) for name in Turn.__dataclass_fields__})
