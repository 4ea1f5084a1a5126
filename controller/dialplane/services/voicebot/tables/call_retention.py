"""What is forgotten of calls: by age, and by the caller's number. A recording goes before what names it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.voicebot.tables.call_changes import KIND
from dialplane.services.voicebot.tables.calls import BOT_CALLS, with_number
from dialplane.services.voicebot.tables.turns import BOT_TURNS
from dialplane.store.engine import Store
from dialplane.store.events import EVENTS

AT_A_TIME: Final = 500
"""Calls that one transaction forgets."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A call, and its recording."""

    call: str
    recording: str


def oldest(store: Store, site: str) -> Mapping[str, datetime]:
    """Return the bots that have any call, each with the moment at which its first one began."""
    columns = BOT_CALLS.c
    first = sa.func.min(columns.began_at, type_=columns.began_at.type)
    query = sa.select(columns.bot, first).where(columns.site == site).group_by(columns.bot)
    with store.read() as connection:
        return dict(iter(connection.execute(query)))


def recorded_before(store: Store, site: str, bot: str, before: datetime, *, limit: int) -> tuple[Recorded, ...]:
    """Return up to `limit` recordings of calls of a bot that began before then."""
    return _recorded(store, _old(site, bot, before), limit)


def recorded_of(
    store: Store, site: str, numbers: Collection[str], stored: datetime, *, limit: int
) -> tuple[Recorded, ...]:
    """Return up to `limit` recordings of calls that ended before `stored`, of somebody by the number as written."""
    return _recorded(store, _of_somebody(site, numbers, stored), limit)


def forget_recordings(store: Store, site: str, calls: Collection[str]) -> None:
    """Note that the recordings of these calls are deleted."""
    columns = BOT_CALLS.c
    statement = sa.update(BOT_CALLS).where(columns.site == site, columns.id.in_(list(calls))).values(recording=None)
    with store.write() as connection:
        connection.execute(statement)


def forget(store: Store, site: str, bot: str, before: datetime) -> int:
    """Forget what was said in the calls of a bot that are over and began before then; return how many calls are gone.

    A call whose recording is kept for longer stays, without its turns and without what was collected in it.
    """
    columns = BOT_CALLS.c
    old = sa.and_(_old(site, bot, before), columns.ended_at.is_not(None))
    silent = sa.and_(old, columns.recording.is_not(None))
    of_silent = BOT_TURNS.c.call.in_(sa.select(columns.id).where(silent))
    with store.write() as connection:
        connection.execute(sa.delete(BOT_TURNS).where(BOT_TURNS.c.site == site, of_silent))
        connection.execute(sa.update(BOT_CALLS).where(silent).values(variables={}))
    return _delete(store, site, sa.and_(old, columns.recording.is_(None)))


def erase(store: Store, site: str, numbers: Collection[str]) -> int:
    """Erase the calls of somebody that are over and have no recording any more; return how many.

    Their events stay, without the number.
    """
    columns = BOT_CALLS.c
    with store.write() as connection:
        _forget_senders(connection, site, numbers)
    over = sa.and_(columns.site == site, with_number(numbers), columns.ended_at.is_not(None))
    return _delete(store, site, sa.and_(over, columns.recording.is_(None)))


def going_on(store: Store, site: str, numbers: Collection[str], stored: datetime) -> int:
    """Return how many calls of somebody go on, or may have a recording that is stored only now."""
    columns = BOT_CALLS.c
    late = sa.and_(columns.recording.is_not(None), columns.ended_at >= stored)
    query = sa.select(sa.func.count()).where(
        columns.site == site, with_number(numbers), sa.or_(columns.ended_at.is_(None), late)
    )
    with store.read() as connection:
        return int(connection.execute(query).scalar_one())


def _forget_senders(connection: sa.Connection, site: str, numbers: Collection[str]) -> None:
    columns = EVENTS.c
    text = sa.type_coerce(columns.data, sa.Text())
    named = [text.contains(json.dumps({"sender": number}, separators=(",", ":"))[1:-1]) for number in numbers]
    query = sa.select(columns.seq, columns.data).where(
        columns.site == site, columns.subject_kind == KIND, sa.or_(sa.false(), *named)
    )
    for seq, data in connection.execute(query.with_for_update()).all():
        connection.execute(sa.update(EVENTS).where(columns.seq == seq).values(data={**data, "sender": ""}))


def _old(site: str, bot: str, before: datetime) -> sa.ColumnElement[bool]:
    columns = BOT_CALLS.c
    return sa.and_(columns.site == site, columns.bot == bot, columns.began_at < before)


def _of_somebody(site: str, numbers: Collection[str], before: datetime) -> sa.ColumnElement[bool]:
    columns = BOT_CALLS.c
    return sa.and_(columns.site == site, with_number(numbers), columns.ended_at < before)


def _recorded(store: Store, those: sa.ColumnElement[bool], limit: int) -> tuple[Recorded, ...]:
    columns = BOT_CALLS.c
    query = sa.select(columns.id, columns.recording).where(those, columns.recording.is_not(None))
    with store.read() as connection:
        return tuple(Recorded(*_both(row)) for row in connection.execute(query.limit(limit)))


def _both(row: Any) -> tuple[str, str]:
    return row.id, row.recording


def _delete(store: Store, site: str, those: sa.ColumnElement[bool]) -> int:
    """Delete calls with their turns, some at a time: others wait for none of it."""
    columns, total = BOT_CALLS.c, 0
    some = sa.select(columns.id).where(those).limit(AT_A_TIME)
    while True:
        with store.write() as connection:
            ids = list(connection.execute(some).scalars())
            if ids:
                connection.execute(sa.delete(BOT_CALLS).where(columns.site == site, columns.id.in_(ids)))
        total += len(ids)
        if len(ids) < AT_A_TIME:
            return total
