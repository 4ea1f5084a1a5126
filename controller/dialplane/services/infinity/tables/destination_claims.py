"""Who calls whom next: claims of destinations, and how they end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.infinity.tables.calls import CALLS
from dialplane.services.infinity.tables.destinations import (
    DESTINATIONS,
    DO_NOT_CALL,
    NOT_LISTED,
    UNTOLD,
    Claimed,
    Claims,
    Settled,
    UnderWay,
)
from dialplane.store.columns import Moment
from dialplane.store.engine import Store

_D: Final = DESTINATIONS.c


def token_of(uid: str) -> str:
    """The token that a campaign's calls are asked for with."""
    return f"campaign/{uid}"


def claim(store: Store, site: str, uid: str, *, limit: int, max_attempts: int, now: datetime) -> Claims:
    """Take the next destinations that are due, those first that wait longest: they are `calling` when this returns.

    Each has one attempt more, and the request key that its call is to be asked for with. Who is due and has no attempt
    left has failed: their last claim ended when nobody knew how many they have.
    """
    waiting = (_D.site == site) & (_D.campaign_uid == uid) & (_D.state == "waiting")
    due = (
        sa.select(DESTINATIONS)
        .where(waiting, _D.next_at <= now, _D.attempts < max_attempts)
        .order_by(_D.next_at, _D.seq)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    with store.write() as connection:
        rows = connection.execute(due).all()
        taken = tuple(_claimed(row) for row in rows)
        if taken:
            claims = [{"of": each.seq, "its_key": each.request_key, "at": now} for each in taken]
            connection.execute(_CLAIM, claims)
        due_at, ended = None, 0
        if len(taken) < limit:
            used_up = sa.update(DESTINATIONS).where(waiting, _D.next_at <= now, _D.attempts >= max_attempts)
            ended = connection.execute(used_up.values(state="failed", finished_at=now)).rowcount
            due_at = connection.execute(sa.select(sa.func.min(_D.next_at, type_=Moment())).where(waiting)).scalar()
    return Claims(taken, due_at, ended)


def settle(store: Store, settled: Sequence[Settled], *, now: datetime) -> int:
    """End claims; one that ended already, or is another's, is left as it is. Returns how many ended.

    Who was not reached waits for the next attempt, or has failed; who is no longer on the list is not called again.
    """
    if not settled:
        return 0
    rows = [
        {
            "of": each.seq,
            "its_key": each.request_key,
            "back": 1 if each.call is None or each.ending == "given_back" else 0,
            "over": 0 if each.call is None else 1,
            "ending": each.ending,
            "most": each.max_attempts,
            "due": each.next_at,
            "its_call": each.call,
            "its_outcome": each.outcome,
            "at": now,
        }
        for each in sorted(settled, key=lambda each: each.seq)
    ]
    with store.write() as connection:
        return sum(connection.execute(_SETTLE, row).rowcount for row in rows)


def reached(store: Store, site: str, call: str) -> bool:
    """A record says so late that somebody was reached by that call: they are not called again."""
    late = (_D.site == site) & (_D.call == call) & _D.state.in_(("waiting", "failed", "skipped"))
    with store.write() as connection:
        query = sa.update(DESTINATIONS).where(late).values(state="answered", outcome="Answered")
        return connection.execute(query).rowcount > 0


def told_late(store: Store, site: str) -> frozenset[str]:
    """The calls of which a record says so late that somebody was reached: their destinations take them for missed."""
    query = (
        sa.select(CALLS.c.id)
        .join(DESTINATIONS, _D.call == CALLS.c.id)
        .where(_D.site == site, _UNTOLD, _D.state.in_(("waiting", "failed")), CALLS.c.outcome == "Answered")
    )
    with store.read() as connection:
        return frozenset(connection.execute(query).scalars())


def under_way(store: Store, site: str) -> tuple[UnderWay, ...]:
    """Every destination of the site in `calling`, with its call."""
    token = sa.literal("campaign/") + _D.campaign_uid
    same = (CALLS.c.site == _D.site) & (CALLS.c.token == token) & (CALLS.c.request_key == _D.request_key)
    query = (
        sa.select(
            *(_D[name] for name in ("seq", "campaign", "campaign_uid", "request_key", "claimed_at")),
            CALLS.c.id,
            CALLS.c.state,
            CALLS.c.outcome,
        )
        .select_from(DESTINATIONS.outerjoin(CALLS, same))
        .where(_D.site == site, _CALLING)
    )
    with store.read() as connection:
        rows: Sequence[Any] = connection.execute(query).all()
    return tuple(UnderWay(*row) for row in rows)


def _claimed(row: Any) -> Claimed:
    return Claimed(
        seq=row.seq,
        number=row.number,
        case_id=row.case_id,
        custom=row.custom,
        request_key=f"{row.digits}#{row.calls + 1}",
        last_call=row.call if row.outcome in UNTOLD else None,
    )


def _when(*endings: str) -> sa.ColumnElement[bool]:
    return sa.bindparam("ending", type_=sa.String(16)).in_(endings)


# As their indexes have it:
_CALLING: Final = sa.text("campaign_destinations.state = 'calling'")
_UNTOLD: Final = sa.text("campaign_destinations.outcome IN ('TimedOut', 'Released')")
_CLAIM: Final = (
    sa.update(DESTINATIONS)
    .where(_D.seq == sa.bindparam("of"))
    .values(
        state="calling",
        attempts=_D.attempts + 1,
        request_key=sa.bindparam("its_key"),
        claimed_at=sa.bindparam("at", type_=Moment()),
        finished_at=None,
    )
)
_BACK: Final = sa.bindparam("back", type_=sa.Integer)
_LEFT: Final = _D.attempts - _BACK < sa.bindparam("most", type_=sa.Integer)
_AGAIN: Final = _D.listed.is_(True) & _LEFT
_SETTLE: Final = (
    sa.update(DESTINATIONS)
    .where(_D.seq == sa.bindparam("of"), _D.state == "calling", _D.request_key == sa.bindparam("its_key"))
    .values(
        state=sa.case(
            (_when("answered"), "answered"),
            (_when("blocked"), "skipped"),
            (_AGAIN, "waiting"),
            (_LEFT, "skipped"),
            else_="failed",
        ),
        attempts=_D.attempts - _BACK,
        calls=_D.calls + sa.bindparam("over", type_=sa.Integer),
        request_key=None,
        next_at=sa.bindparam("due", type_=Moment()),
        call=sa.func.coalesce(sa.bindparam("its_call", type_=sa.String(40)), _D.call),
        outcome=sa.case(
            (_when("blocked"), DO_NOT_CALL),
            (~_when("answered") & ~_D.listed & _LEFT, NOT_LISTED),
            else_=sa.func.coalesce(sa.bindparam("its_outcome", type_=sa.String(16)), _D.outcome),
        ),
        finished_at=sa.case((~_when("answered", "blocked") & _AGAIN, None), else_=sa.bindparam("at", type_=Moment())),
    )
)
