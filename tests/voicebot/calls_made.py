"""Calls of bots as tests make them."""

from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.voicebot.tables import call_changes
from dialplane.services.voicebot.tables.call_changes import CallChanges, CallEnd, NewTurn
from dialplane.services.voicebot.tables.calls import BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import BOT_TURNS, Turn
from dialplane.store import Store
from dialplane.store.events import EVENTS
from tests.databases import NOW

SITE: Final = "office"
WORDS: Final = "my secret is 4711, NUL \0 😀"


def call(id_: str, *, bot: str = "reception", minutes: float = 0, **more: Any) -> BotCall:
    """A call that began so many minutes after `NOW`."""
    values = {"caller": "+15550111", "replica": "bot-1", **more}
    return BotCall(id=id_, bot=bot, began_at=NOW + timedelta(minutes=minutes), **values)


def turn(speaker: str = "caller", text: str = WORDS, *, at: datetime = NOW, **details: object) -> Turn:
    return Turn(speaker, "ask", at, 1.5, text, details)


def end(id_: str, outcome: CallOutcome = CallOutcome.COMPLETED, *, seconds: float = 34, **more: Any) -> CallEnd:
    return CallEnd(id_, NOW + timedelta(seconds=seconds), outcome, **more)


def write(
    store: Store, *begun: BotCall, turns: tuple[NewTurn, ...] = (), ended: tuple[CallEnd, ...] = (), site: str = SITE
) -> int:
    return call_changes.write(store, site, CallChanges(begun, turns, ended))


def events(store: Store) -> list[tuple[str, str, dict[str, Any]]]:
    """Type, bot and data of each event, in order."""
    with store.read() as connection:
        rows = connection.execute(sa.select(EVENTS).order_by(EVENTS.c.seq)).all()
    return [(row.type, row.subject_name, row.data) for row in rows]


def turns_kept(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(BOT_TURNS)).scalar_one())
