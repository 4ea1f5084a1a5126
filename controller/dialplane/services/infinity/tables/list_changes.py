"""What a new list changes of the one that is kept: what differs, and nothing else.

Found without a lock, for that takes seconds with a hundred thousand people; written in a fraction of one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.resources.numbering import identity
from dialplane.services.infinity.tables.destinations import (
    DESTINATIONS,
    DO_NOT_CALL,
    NOT_LISTED,
    DestinationState,
    NewDestination,
    Synced,
    WantedList,
)
from dialplane.store.columns import Json, Moment
from dialplane.store.json_rows import json_rows

_D: Final = DESTINATIONS.c
_OVER: Final = frozenset({"failed", "skipped"})
_REACHED: Final = frozenset({"answered", "calling"})
"""Two rows that turn out to be one person: this one is kept, so that nobody is called again who was reached."""
_TEXT: Final[sa.types.TypeEngine[Any]] = sa.Text()
_WHOLE: Final[sa.types.TypeEngine[Any]] = sa.BigInteger()
Rows = list[tuple[Any, ...]]
_STAYS, _NOW, _NEVER = 0, 1, 2
"""What becomes of `finished_at`."""


@dataclass
class Changes:
    """Rows to write, as plain values; see `write` for their columns."""

    synced: Synced
    details: Rows = field(default_factory=list)
    states: Rows = field(default_factory=list)
    new: Rows = field(default_factory=list)


def find(connection: sa.Connection, site: str, wanted: WantedList, entries: Sequence[NewDestination] | None) -> Changes:
    """Compare the list that is kept with these; None leaves whoever is on it."""
    mine = (_D.site == site) & (_D.campaign_uid == wanted.uid)
    rows = connection.execute(_ROWS.where(mine).order_by(_D.seq)).all()
    return _compared(rows, wanted, entries, Json(), connection.dialect)


def write(connection: sa.Connection, site: str, wanted: WantedList, changes: Changes, *, now: datetime) -> None:
    """Write them, in a few statements however many they are."""
    if changes.details:
        _write_details(connection, changes.details)
    if changes.states:
        _write_states(connection, changes.states, now)
    if changes.new:
        _write_new(connection, site, wanted, changes.new, now)


def _write_details(connection: sa.Connection, details: Rows) -> None:
    found = json_rows(connection, details, {"seq": _WHOLE, "number": _TEXT, "case_id": _TEXT, "custom": _TEXT})
    values = {name: found.c[name] for name in ("number", "case_id", "custom")}
    connection.execute(sa.update(DESTINATIONS).where(_D.seq == found.c.seq).values(**values))


def _write_states(connection: sa.Connection, states: Rows, now: datetime) -> None:
    """One that was claimed meanwhile is told of its new listing only; the end of the claim looks at that."""
    texts = dict.fromkeys(("was", "state", "outcome"), _TEXT)
    found = json_rows(connection, states, {"seq": _WHOLE, **texts, "listed": _WHOLE, "ends": _WHOLE})
    same, ends = _D.state == found.c.was, found.c.ends
    moment = sa.literal(now, Moment())
    query = (
        sa.update(DESTINATIONS)
        .where(_D.seq == found.c.seq)
        .values(
            listed=found.c.listed == 1,
            state=sa.case((same, found.c.state), else_=_D.state),
            outcome=sa.case((same, found.c.outcome), else_=_D.outcome),
            finished_at=sa.case((same & (ends == _NOW), moment), (same & (ends == _NEVER), None), else_=_D.finished_at),
        )
    )
    connection.execute(query)


def _write_new(connection: sa.Connection, site: str, wanted: WantedList, new: Rows, now: datetime) -> None:
    names = ("number", "digits", "case_id", "custom", "state", "outcome")
    found = json_rows(connection, new, dict.fromkeys(names, _TEXT))
    moment = sa.literal(now, Moment())
    of_all = {
        "site": sa.literal(site),
        "campaign": sa.literal(wanted.campaign),
        "campaign_uid": sa.literal(wanted.uid),
        "listed": sa.true(),
        "attempts": sa.literal(0),
        "calls": sa.literal(0),
        "next_at": moment,
        "finished_at": sa.case((found.c.state == "skipped", moment)),
    }
    rows = sa.select(*(found.c[name] for name in names), *of_all.values()).order_by(found.c.place)
    connection.execute(sa.insert(DESTINATIONS).from_select([*names, *of_all], rows))


def _compared(
    rows: Sequence[Any], wanted: WantedList, entries: Sequence[NewDestination] | None, json: Json, dialect: sa.Dialect
) -> Changes:
    changes = Changes(Synced(0, 0, 0, 0, 0))
    people = [identity(row.number, wanted.numbering) for row in rows]
    left: dict[str, NewDestination] | None = None
    if entries is not None:
        left = {}
        for each in entries:
            left.setdefault(identity(each.number, wanted.numbering), each)
    listed_now = _matched(rows, people, left or {})
    removed = came_back = total = skipped = 0
    for row, earlier in zip(rows, people, strict=True):
        person, entry = listed_now.get(row.seq, (earlier, None))
        listed = row.listed if left is None else entry is not None
        if entry is not None:
            detail = (entry.number, entry.case_id, json.process_bind_param(entry.custom, dialect))
            if detail != (row.number, row.case_id, row.raw):
                changes.details.append((row.seq, *detail))
        became, why = _became(row, listed=listed, blocked=person in wanted.blocked, most=wanted.max_attempts)
        if (became, why, listed) != (row.state, row.outcome, row.listed):
            ends = _STAYS if became == row.state else _NOW if became in _OVER else _NEVER
            changes.states.append((row.seq, row.state, became, why, int(listed), ends))
        removed += row.listed and not listed
        came_back += listed and not row.listed
        total += listed
        skipped += listed and became == "skipped"
    for found, entry in (left or {}).items():
        state, why = ("skipped", DO_NOT_CALL) if found in wanted.blocked else ("waiting", None)
        custom = json.process_bind_param(entry.custom, dialect)
        changes.new.append((entry.number, found, entry.case_id, custom, state, why))
        skipped += state == "skipped"
    everybody = total + len(changes.new)
    changes.synced = Synced(
        total=everybody,
        added=len(changes.new) + came_back,
        removed=removed,
        repeated=len(entries) - everybody if entries is not None else 0,
        skipped=skipped,
    )
    return changes


def _matched(
    rows: Sequence[Any], people: Sequence[str], left: dict[str, NewDestination]
) -> dict[int, tuple[str, NewDestination]]:
    """Identity and entry of those who are here already, by row; they are taken out of `left`.

    A row keeps the identity that it came with, for its calls have it in their keys. Where the numbering is another by
    now, or an older version wrote the row, the same person is found by the number as it is read today.
    """
    found: dict[int, tuple[str, NewDestination]] = {}
    for row in rows:
        if (entry := left.pop(row.digits, None)) is not None:
            found[row.seq] = row.digits, entry
    for row, person in sorted(zip(rows, people, strict=True), key=lambda pair: pair[0].state not in _REACHED):
        if row.seq not in found and (entry := left.pop(person, None)) is not None:
            found[row.seq] = person, entry
    return found


def _became(row: Any, *, listed: bool, blocked: bool, most: int) -> tuple[DestinationState, str | None]:
    """State and outcome of somebody under the list as it is now."""
    if row.state in {"calling", "answered"}:
        return row.state, row.outcome
    if not listed:
        return ("skipped", NOT_LISTED) if row.state == "waiting" else (row.state, row.outcome)
    if row.state == "failed" and row.attempts >= most:
        return "failed", row.outcome
    if blocked:
        return "skipped", DO_NOT_CALL
    outcome = None if row.outcome in {NOT_LISTED, DO_NOT_CALL} else row.outcome
    return ("waiting" if row.attempts < most else "failed"), outcome


_ROWS: Final = sa.select(
    *(_D[name] for name in ("seq", "digits", "number", "case_id", "listed", "state", "attempts", "outcome")),
    sa.type_coerce(_D.custom, sa.Text).label("raw"),
)
