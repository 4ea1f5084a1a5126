"""The lists of the campaigns: who is on them, as of now."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from dialplane.store.columns import Json, Moment
from dialplane.store.destinations import (
    DESTINATIONS,
    DO_NOT_CALL,
    LISTS,
    NOT_LISTED,
    DestinationState,
    NewDestination,
    Synced,
    WantedList,
    digits,
)
from dialplane.store.engine import Store

PRUNED_AT_ONCE: Final = 5_000
"""Rows that are forgotten in one transaction: others may write between two."""

_D: Final = DESTINATIONS.c
_OVER: Final = frozenset({"failed", "skipped"})


def sync(store: Store, site: str, wanted: WantedList, *, now: datetime) -> Synced | None:
    """Make a campaign's list this one, in one transaction; who is on both goes on where they are.

    Somebody who is removed is not called again, and goes on with their attempts when they come back. Somebody who was
    not reached is called again where there may be more attempts than there were.

    Returns:
        What changed; None where it is the very same list (by its digest), which costs one look.
    """
    mine = (LISTS.c.site == site) & (LISTS.c.campaign_uid == wanted.uid)
    uploaded = wanted.source == "upload" and wanted.entries is not None
    with store.read() as connection:
        known = connection.execute(sa.select(LISTS.c.digest).where(mine)).scalar()
    if known == wanted.digest and not uploaded:
        return None
    with store.write() as connection:
        fresh = {"site": site, "campaign_uid": wanted.uid, "campaign": wanted.campaign, "source": wanted.source}
        connection.execute(store.insert_new(LISTS).values(**fresh, digest="", seen_at=now))
        # Two at once, of two processes, go one after the other.
        kept = connection.execute(sa.select(LISTS).where(mine).with_for_update()).one()
        # What came from elsewhere is not what somebody uploads: until then nobody is on the list.
        entries = () if wanted.entries is None and kept.source != wanted.source else wanted.entries
        changed = _change(connection, site, wanted, entries, now)
        values: dict[str, Any] = {"source": wanted.source, "digest": wanted.digest, "seen_at": now}
        if uploaded or entries is not None:
            values["listed_at"] = now if uploaded else None
        connection.execute(sa.update(LISTS).where(mine).values(**values))
    return changed


def seen(store: Store, site: str, uids: Iterable[str], *, now: datetime) -> None:
    """These campaigns are there, also those whose manifest cannot be read: what is known of them stays."""
    gone = sa.update(LISTS).where(LISTS.c.site == site, LISTS.c.campaign_uid == sa.bindparam("uid"))
    there = [{"uid": uid} for uid in sorted(uids)]
    if there:
        with store.write() as connection:
            connection.execute(gone.values(seen_at=now), there)


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta) -> int:
    """Forget the destinations of campaigns that have not been `seen` for so long; returns how many."""
    old = sa.select(LISTS.c.campaign_uid).where(LISTS.c.site == site, LISTS.c.seen_at < now - older_than)
    with store.read() as connection:
        uids = connection.execute(old).scalars().all()
    gone = 0
    for uid in uids:
        mine = (_D.site == site) & (_D.campaign_uid == uid)
        some = sa.select(_D.seq).where(mine, _D.state != "calling").limit(PRUNED_AT_ONCE)
        while True:
            with store.write() as connection:
                deleted = connection.execute(sa.delete(DESTINATIONS).where(_D.seq.in_(some))).rowcount
            gone += deleted
            if deleted < PRUNED_AT_ONCE:
                break
        left = sa.exists().where(mine)
        with store.write() as connection:
            connection.execute(sa.delete(LISTS).where(LISTS.c.site == site, LISTS.c.campaign_uid == uid, ~left))
    return gone


def _change(
    connection: sa.Connection,
    site: str,
    wanted: WantedList,
    entries: Sequence[NewDestination] | None,
    now: datetime,
) -> Synced:
    """Write what differs, and nothing else: a list of 100,000 that grows by one is one new row."""
    mine = (_D.site == site) & (_D.campaign_uid == wanted.uid)
    rows = connection.execute(_ROWS.where(mine).order_by(_D.seq)).all()
    by_digits: dict[str, NewDestination] | None = None
    if entries is not None:
        by_digits = {}
        for each in entries:
            by_digits.setdefault(digits(each.number), each)
    details, states = [], []
    removed = came_back = total = skipped = 0
    for row in rows:
        entry: NewDestination | None = None if by_digits is None else by_digits.pop(row.digits, None)
        listed = row.listed if by_digits is None else entry is not None
        if entry is not None and _differs(row, entry, connection.dialect):
            its_new = {"its_number": entry.number, "its_case": entry.case_id, "its_custom": entry.custom}
            details.append({"of": row.seq, **its_new})
        became, why = _became(row, listed=listed, blocked=row.digits in wanted.blocked, most=wanted.max_attempts)
        if (became, why, listed) != (row.state, row.outcome, row.listed):
            over = row.finished_at if became == row.state else now if became in _OVER else None
            its = {"its_state": became, "why": why, "its_listing": listed, "ended": over}
            states.append({"of": row.seq, "was": row.state, **its})
        removed += row.listed and not listed
        came_back += listed and not row.listed
        total += listed
        skipped += listed and became == "skipped"
    same = {"site": site, "campaign": wanted.campaign, "campaign_uid": wanted.uid, "listed": True, "next_at": now}
    made = [_made(found, new, blocked=found in wanted.blocked, now=now) for found, new in (by_digits or {}).items()]
    if details:
        connection.execute(_DETAILS, details)
    if states:
        connection.execute(_STATES, states)
    if made:
        connection.execute(sa.insert(DESTINATIONS).values(**same, attempts=0, calls=0), made)
    return Synced(
        total=total + len(made),
        added=len(made) + came_back,
        removed=removed,
        repeated=len(entries) - total - len(made) if entries is not None else 0,
        skipped=skipped + sum(each["state"] == "skipped" for each in made),
    )


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


def _differs(row: Any, entry: NewDestination, dialect: sa.Dialect) -> bool:
    written = Json().process_bind_param(entry.custom, dialect)
    return (row.number, row.case_id, row.raw) != (entry.number, entry.case_id, written)


def _made(found: str, entry: NewDestination, *, blocked: bool, now: datetime) -> dict[str, Any]:
    return {
        "number": entry.number,
        "digits": found,
        "case_id": entry.case_id,
        "custom": entry.custom,
        "state": "skipped" if blocked else "waiting",
        "outcome": DO_NOT_CALL if blocked else None,
        "finished_at": now if blocked else None,
    }


_RAW: Final = sa.type_coerce(_D.custom, sa.Text).label("raw")
_ROWS: Final = sa.select(
    *(
        _D[name]
        for name in ("seq", "digits", "number", "case_id", "listed", "state", "attempts", "outcome", "finished_at")
    ),
    _RAW,
)
_DETAILS: Final = (
    sa.update(DESTINATIONS)
    .where(_D.seq == sa.bindparam("of"))
    .values(
        number=sa.bindparam("its_number"),
        case_id=sa.bindparam("its_case"),
        custom=sa.bindparam("its_custom", type_=Json()),
    )
)
_UNCHANGED: Final = _D.state == sa.bindparam("was")
_NEW_STATE: Final = sa.bindparam("its_state", type_=sa.String(16))
_STATES: Final = (
    sa.update(DESTINATIONS)
    .where(_D.seq == sa.bindparam("of"))
    .values(
        listed=sa.bindparam("its_listing"),
        # One that was claimed meanwhile is told of its new listing only; the end of the claim looks at that.
        state=sa.case((_UNCHANGED, _NEW_STATE), else_=_D.state),
        outcome=sa.case((_UNCHANGED, sa.bindparam("why", type_=sa.String(16))), else_=_D.outcome),
        finished_at=sa.case((_UNCHANGED, sa.bindparam("ended", type_=Moment())), else_=_D.finished_at),
    )
)
