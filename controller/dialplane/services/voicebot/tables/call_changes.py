"""What happens to calls, many at once: they begin, something is said, they end. With each end goes its event.

Written twice, it is the same as once: who does not know whether a transaction was written writes it again.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.voicebot.tables.calls import BOT_CALLS, GOES_ON, BotCall, CallOutcome
from dialplane.services.voicebot.tables.turns import BOT_TURNS, Turn
from dialplane.store import events
from dialplane.store.engine import Store
from dialplane.store.events import NewEvent
from dialplane.store.site_views import live_replicas

TEXT_MOST: Final = 8000
"""Characters of what was said in one turn that are kept."""
VALUE_MOST: Final = 1000
"""Characters of a variable."""
LOST: Final = "the process of the bot ended during the call: Asterisk sent the caller to the fallback"
KIND: Final = "VoiceBot"
_FAILED: Final = frozenset({CallOutcome.FALLBACK, CallOutcome.LOST})
_HOW: Final = {
    CallOutcome.COMPLETED: "The dialogue came to its end",
    CallOutcome.TRANSFERRED: "The caller was sent on",
    CallOutcome.HUNG_UP: "The caller hung up",
    CallOutcome.FALLBACK: "The caller went to the fallback",
    CallOutcome.LOST: "The caller went to the fallback",
}


@dataclass(frozen=True, slots=True)
class NewTurn:
    """Something that was said in a call."""

    call: str
    number: int
    turn: Turn


@dataclass(frozen=True, slots=True)
class CallEnd:
    """How a call ended."""

    call: str
    at: datetime
    outcome: CallOutcome
    reason: str = ""
    state: str = ""
    target: str = ""
    variables: Mapping[str, str] = field(default_factory=dict)
    recording: str | None = None


@dataclass(frozen=True, slots=True)
class CallChanges:
    """What happened, each in its order."""

    begun: Sequence[BotCall] = ()
    turns: Sequence[NewTurn] = ()
    ended: Sequence[CallEnd] = ()


def write(store: Store, site: str, changes: CallChanges) -> int:
    """Write what happened, in one transaction; of calls that were erased nothing is kept.

    Returns:
        How many calls ended by it.
    """
    with store.write() as connection:
        if changes.begun:
            rows = [_begun(site, call) for call in changes.begun]
            connection.execute(store.insert_new(BOT_CALLS), rows)
        _write_turns(store, connection, site, changes.turns)
        return _end(connection, site, changes.ended)


def replicas_gone(store: Store, site: str) -> frozenset[str]:
    """Return the replicas that have calls which go on, and live no more."""
    columns = BOT_CALLS.c
    with store.read() as connection:
        query = sa.select(columns.replica).where(columns.site == site, sa.text(GOES_ON)).distinct()
        open_at = frozenset(connection.execute(query).scalars())
        return open_at - live_replicas(connection, site) if open_at else frozenset()


def close_lost(
    store: Store, site: str, replicas: Collection[str], recording: Callable[[str, str], str | None] = lambda *_: None
) -> int:
    """Close the calls of these replicas as lost, at the last moment that is known of each.

    Args:
        store: the database.
        site: the namespace.
        replicas: those that live no more.
        recording: returns the key of the recording that a call of a bot may have left, by the bot's name and the id.

    Returns:
        How many there were.
    """
    calls, turns = BOT_CALLS.c, BOT_TURNS.c
    last = (
        sa.select(sa.func.max(turns.at, type_=turns.at.type))
        .where(turns.site == calls.site, turns.call == calls.id)
        .correlate(BOT_CALLS)
        .scalar_subquery()
    )
    ended_at = sa.func.coalesce(last, calls.began_at, type_=calls.began_at.type)
    query = sa.select(calls.id, calls.bot, ended_at).where(
        calls.site == site, sa.text(GOES_ON), calls.replica.in_(sorted(replicas))
    )
    with store.write() as connection:
        ended = [
            CallEnd(call, at, CallOutcome.LOST, LOST, recording=recording(bot, call))
            for call, bot, at in connection.execute(query)
        ]
        return _end(connection, site, ended)


def _write_turns(store: Store, connection: sa.Connection, site: str, turns: Sequence[NewTurn]) -> None:
    if not turns:
        return
    columns = BOT_CALLS.c
    query = sa.select(columns.id).where(columns.site == site, columns.id.in_({each.call for each in turns}))
    kept = set(connection.execute(query.with_for_update(read=True, key_share=True)).scalars())
    rows = [
        {
            "site": site,
            "call": each.call,
            "number": each.number,
            "speaker": each.turn.speaker,
            "state": each.turn.state,
            "at": each.turn.at,
            "seconds": each.turn.seconds,
            "text": each.turn.text[:TEXT_MOST],
            "details": each.turn.details,
        }
        for each in turns
        if each.call in kept
    ]
    if rows:
        connection.execute(store.insert_new(BOT_TURNS), rows)


def _end(connection: sa.Connection, site: str, ended: Sequence[CallEnd]) -> int:
    """End calls that go on, and those that were taken for lost; return how many."""
    if not ended:
        return 0
    columns = BOT_CALLS.c
    by_id = {each.call: each for each in ended}
    goes_on = sa.or_(columns.ended_at.is_(None), columns.outcome == CallOutcome.LOST)
    query = (
        sa.select(columns.id, columns.bot, columns.caller, columns.began_at, columns.outcome)
        .where(columns.site == site, columns.id.in_(list(by_id)), goes_on)
        .order_by(columns.id)
        .with_for_update()
    )
    rows = [row for row in connection.execute(query) if row.outcome != by_id[row.id].outcome]
    if not rows:
        return 0
    statement = (
        sa.update(BOT_CALLS)
        .where(columns.site == site, columns.id == sa.bindparam("b_id"))
        .values(
            ended_at=sa.bindparam("b_at"),
            outcome=sa.bindparam("b_outcome"),
            reason=sa.bindparam("b_reason"),
            state=sa.bindparam("b_state"),
            target=sa.bindparam("b_target"),
            variables=sa.bindparam("b_variables"),
            recording=sa.bindparam("b_recording"),
        )
    )
    connection.execute(statement, [_ended(by_id[row.id]) for row in rows])
    events.append(connection, [_event(site, row, by_id[row.id]) for row in rows])
    return len(rows)


def _begun(site: str, call: BotCall) -> dict[str, Any]:
    return {
        "site": site,
        "id": call.id,
        "bot": call.bot,
        "caller": _printable(call.caller)[:40],
        "replica": call.replica,
        "campaign": call.campaign,
        "destination": None if call.destination is None else _printable(call.destination)[:64],
        "began_at": call.began_at,
        "state": call.state,
        "variables": dict(call.variables or {}),
    }


def _ended(end: CallEnd) -> dict[str, Any]:
    return {
        "b_id": end.call,
        "b_at": end.at,
        "b_outcome": end.outcome,
        "b_reason": end.reason or None,
        "b_state": end.state or None,
        "b_target": end.target or None,
        "b_variables": {name: value[:VALUE_MOST] for name, value in end.variables.items()},
        "b_recording": end.recording,
    }


def _event(site: str, row: Any, end: CallEnd) -> NewEvent:
    """The event of an end: without a word of what was said."""
    seconds = max(0, round((end.at - row.began_at).total_seconds()))
    where = f", in the state {end.target or end.state}" if end.target or end.state else ""
    why = f": {end.reason}" if end.reason else ""
    return NewEvent(
        site=site,
        type="voicebot.failed" if end.outcome in _FAILED else "voicebot.call",
        subject_kind=KIND,
        subject_name=row.bot,
        at=end.at,
        data={
            "sender": row.caller,
            "reason": end.outcome.value,
            "message": f"{_HOW[end.outcome]} after {seconds} s{where}{why}.",
            "call": end.call,
        },
    )


def _printable(text: str) -> str:
    """What a caller's network says of a number may be anything."""
    return "".join(each for each in text if each.isprintable())
