"""Calls of bots: one row each, written when it begins, changed as it goes on, closed when it ends.

Here is what a call is and how calls are looked for; `call_changes` writes them, `call_retention` forgets them.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Json, Moment
from dialplane.store.engine import Store


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


GOES_ON: Final = "ended_at IS NULL"
"""Literal where it is asked for: no database uses a partial index for a parameter."""

BOT_CALLS: Final = sa.Table(
    "bot_calls",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("id", sa.String(64), primary_key=True),
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
    sa.Column("recording", sa.String(255)),
    sa.Index(None, "site", "began_at", "id"),
    sa.Index(None, "site", "bot", "began_at", "id"),
    sa.Index(None, "site", "caller", "began_at"),
    sa.Index(
        "ix_bot_calls_going_on",
        "site",
        "replica",
        sqlite_where=sa.text(GOES_ON),
        postgresql_where=sa.text(GOES_ON),
    ),
    sa.Index(
        "ix_bot_calls_destination",
        "site",
        "destination",
        sqlite_where=sa.text("destination IS NOT NULL"),
        postgresql_where=sa.text("destination IS NOT NULL"),
    ),
)


@dataclass(frozen=True, slots=True)
class BotCall:
    """One call of a bot."""

    id: str
    """Of its media channel, such as `dpbot-1764507842.17-1-1`: it has Asterisk's id of the caller's channel in it."""
    bot: str
    caller: str
    """The number; empty where it is hidden."""
    replica: str
    began_at: datetime
    campaign: str | None = None
    destination: str | None = None
    """The number that the campaign called, as its list has it."""
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


@dataclass(frozen=True, slots=True)
class CallFilter:
    """Which calls are looked for; what is None or empty narrows nothing."""

    bots: frozenset[str] | None = None
    """Those that may be seen; None: every bot's."""
    bot: str | None = None
    numbers: Collection[str] = ()
    """Of the caller, or of whom a campaign called, as it may be written."""
    outcome: CallOutcome | None = None
    going_on: bool | None = None
    campaign: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class CallsPage:
    """Some calls, the newest first."""

    calls: tuple[BotCall, ...]
    more: bool
    """Whether there are older ones."""


@dataclass(frozen=True, slots=True)
class BotActivity:
    """What a bot did."""

    calls: int
    """Calls that it took since the moment that was asked for."""
    last_call_at: datetime | None
    """When the last one began, whenever that was; None where there was none."""


def get(store: Store, site: str, call: str) -> BotCall | None:
    """Return one call."""
    columns = BOT_CALLS.c
    with store.read() as connection:
        row = connection.execute(sa.select(BOT_CALLS).where(columns.site == site, columns.id == call)).one_or_none()
    return None if row is None else _call(row)


def page(store: Store, site: str, only: CallFilter, *, limit: int, before: BotCall | None = None) -> CallsPage:
    """Return calls, the newest first.

    Args:
        store: the database.
        site: the namespace.
        only: which.
        limit: how many at most.
        before: the last call of the page before.
    """
    columns = BOT_CALLS.c
    query = sa.select(BOT_CALLS).where(columns.site == site, *_conditions(only))
    if before is not None:
        last = sa.tuple_(sa.literal(before.began_at, Moment()), sa.literal(before.id, sa.String()))
        query = query.where(sa.tuple_(columns.began_at, columns.id) < last)
    query = query.order_by(columns.began_at.desc(), columns.id.desc()).limit(limit + 1)
    with store.read() as connection:
        rows = connection.execute(query).all()
    return CallsPage(tuple(_call(row) for row in rows[:limit]), len(rows) > limit)


def activity(store: Store, site: str, since: datetime) -> Mapping[str, BotActivity]:
    """Return what each bot did that took any call since then; earlier calls cost nothing."""
    columns = BOT_CALLS.c
    last = sa.func.max(columns.began_at, type_=Moment())
    query = (
        sa.select(columns.bot, sa.func.count(), last)
        .where(columns.site == site, columns.began_at >= since)
        .group_by(columns.bot)
    )
    with store.read() as connection:
        return {bot: BotActivity(number, at) for bot, number, at in connection.execute(query)}


def last_calls(store: Store, site: str, bots: Collection[str]) -> Mapping[str, datetime]:
    """Return when the last call of each of these bots began that took any: one look into an index for each."""
    columns = BOT_CALLS.c
    last = sa.func.max(columns.began_at, type_=Moment())
    found = {}
    with store.read() as connection:
        for bot in bots:
            query = sa.select(last).where(columns.site == site, columns.bot == bot)
            if (at := connection.execute(query).scalar_one()) is not None:
                found[bot] = at
    return found


def with_number(numbers: Collection[str]) -> sa.ColumnElement[bool]:
    """Return the condition that somebody with this number called, or was called by a campaign."""
    columns, written = BOT_CALLS.c, sorted(numbers)
    called = sa.and_(columns.destination.is_not(None), columns.destination.in_(written))
    return sa.or_(columns.caller.in_(written), called)


def _conditions(only: CallFilter) -> list[sa.ColumnElement[bool]]:
    columns = BOT_CALLS.c
    found: list[sa.ColumnElement[bool]] = []
    if only.bots is not None:
        found.append(columns.bot.in_(sorted(only.bots)))
    if only.numbers:
        found.append(with_number(only.numbers))
    if only.going_on is not None:
        found.append(sa.text(GOES_ON) if only.going_on else columns.ended_at.is_not(None))  # type: ignore[arg-type]
    if only.since is not None:
        found.append(columns.began_at >= only.since)
    if only.until is not None:
        found.append(columns.began_at < only.until)
    same = (("bot", only.bot), ("outcome", only.outcome), ("campaign", only.campaign))
    return found + [columns[name] == value for name, value in same if value is not None]


def _call(row: Any) -> BotCall:
    values = {name: getattr(row, name) for name in BotCall.__dataclass_fields__}
    return BotCall(**{**values, "outcome": CallOutcome(row.outcome) if row.outcome else None})
