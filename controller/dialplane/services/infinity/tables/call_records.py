"""Calls as people look for them, during the call and long after."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.infinity.tables.calls import CALLS, LIVE, Call, CallState, Outcome, call
from dialplane.store.engine import Store

PRUNED_MOST: Final = 5000
"""Rows that one `prune` deletes, so that no lease waits long for its turn."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some calls, the newest first, and where the next page begins."""

    calls: tuple[Call, ...]
    next: int | None
    """The cursor for the page after this; None at the end."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which calls; None lets all through."""

    tenants: frozenset[str] | None = None
    """Those that the asker may know of."""
    tenant: str | None = None
    agent: str | None = None
    case_id: str | None = None
    state: CallState | None = None
    outcome: Outcome | None = None
    destination: str | None = None
    campaign: str | None = None
    since: datetime | None = None
    """Asked for then or later."""
    until: datetime | None = None
    """Asked for before."""


def get(store: Store, site: str, call_id: str) -> Call | None:
    """One call."""
    return _one(store, (CALLS.c.site == site) & (CALLS.c.id == call_id))


def of_request(store: Store, site: str, token: str, key: str) -> Call | None:
    """The call that somebody asked for with this key."""
    return _one(store, (CALLS.c.site == site) & (CALLS.c.token == token) & (CALLS.c.request_key == key))


def page(store: Store, site: str, only: Filter, *, limit: int, before: int | None = None) -> Page:
    """Calls, the newest first; `before` is the cursor that the page before gave."""
    query = sa.select(CALLS).where(CALLS.c.site == site, *_wanted(only)).order_by(CALLS.c.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(CALLS.c.seq < before)
    with store.read() as connection:
        found = [call(row) for row in connection.execute(query)]
    kept = tuple(found[:limit])
    return Page(kept, kept[-1].seq if len(found) > limit else None)


def live_of_agent(store: Store, site: str, agent: str, tenants: frozenset[str] | None = None) -> tuple[Call, ...]:
    """The calls of somebody that hold an extension now, the oldest first."""
    wanted = _wanted(Filter(tenants=tenants, agent=agent))
    live = sa.and_(CALLS.c.site == site, LIVE, *wanted)
    with store.read() as connection:
        return tuple(call(row) for row in connection.execute(sa.select(CALLS).where(live).order_by(CALLS.c.seq)))


def prune(store: Store, site: str, *, now: datetime, older_than: timedelta) -> int:
    """Forget calls that ended so long ago, `PRUNED_MOST` at a time, the oldest first; returns how many."""
    over = (CALLS.c.site == site) & (CALLS.c.state == "released") & (CALLS.c.released_at < now - older_than)
    oldest = sa.select(CALLS.c.seq).where(over).order_by(CALLS.c.seq).limit(PRUNED_MOST)
    with store.read() as connection:  # where there are none, that is a look at every call: no lease waits for it
        found = connection.execute(oldest).scalars().all()
    if not found:
        return 0
    with store.write() as connection:  # what is over stays so
        return connection.execute(sa.delete(CALLS).where(CALLS.c.seq.in_(found))).rowcount


def _wanted(only: Filter) -> Sequence[sa.ColumnElement[bool]]:
    columns = CALLS.c
    equal: dict[sa.Column[Any], object] = {
        columns.tenant: only.tenant,
        columns.agent: only.agent,
        columns.case_id: only.case_id,
        columns.state: only.state,
        columns.outcome: only.outcome,
        columns.destination: only.destination,
        columns.campaign: only.campaign,
    }
    found = [column == value for column, value in equal.items() if value is not None]
    if only.tenants is not None:
        found.append(columns.tenant.in_(only.tenants))
    if only.since is not None:
        found.append(columns.reserved_at >= only.since)
    if only.until is not None:
        found.append(columns.reserved_at < only.until)
    return found


def _one(store: Store, which: sa.ColumnElement[bool]) -> Call | None:
    with store.read() as connection:
        row = connection.execute(sa.select(CALLS).where(which)).one_or_none()
    return None if row is None else call(row)
