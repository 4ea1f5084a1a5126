"""Leases: a call is given an extension, and gives it back at its end.

Locks are always taken in this order, so that no two transactions wait for each other: rows of `pools` by tenant, calls
by `seq`, extensions by number. Those that are looked for, free extensions and overdue calls, are never waited for.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, Literal, TypeVar

import sqlalchemy as sa

from dialplane.services.infinity.tables import do_not_call
from dialplane.services.infinity.tables.call_life import CallRecord, Change, after, overdue
from dialplane.services.infinity.tables.calls import CALLS, LIVE, Call, NewCall, call, new_id, reserved
from dialplane.services.infinity.tables.pools import EXTENSIONS, POOLS, counted, live_calls
from dialplane.services.infinity.tables.strategies import POOL_FIELDS, Pool, take
from dialplane.store.engine import Store
from dialplane.store.errors import StoreConflict, StoreUnavailable
from dialplane.store.given import EachGiven

__all__ = ["CallRecord", "Change", "Changed", "Denied", "Leased", "Request", "change", "lease", "reap", "settle"]

T = TypeVar("T")

_ATTEMPTS: Final = 10


@dataclass(frozen=True, slots=True)
class Denied:
    """Why a call gets no extension, and what the tenant's others are doing."""

    reason: Literal["NoTenant", "Disabled", "Exhausted", "AtMaximum", "DoNotCall", "NumberUnknown"]
    """`DoNotCall`: the number is on a do-not-call list. `NumberUnknown`: whether it is cannot be known."""
    in_use: int
    """Calls that hold one."""
    maximum: int
    """So many calls may at a time."""
    total: int
    """Extensions."""
    available: int
    """Of them, free."""

    @classmethod
    def barred(cls, verdict: Literal["DoNotCall", "NumberUnknown"]) -> "Denied":
        """A call to a number that is on a do-not-call list, or that may be."""
        return cls(verdict, 0, 0, 0, 0)

    @property
    def passes(self) -> bool:
        """Whether waiting may help."""
        return self.reason not in {"DoNotCall", "NumberUnknown"}


@dataclass(frozen=True, slots=True)
class Leased:
    """What became of a wish for an extension: exactly one of `call` and `denied`."""

    call: Call | None
    denied: Denied | None = None
    fresh: bool = True
    """False: that token and request key had this call already."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call that wants an extension."""

    new: NewCall
    id: str
    """The one that it will have: whoever does not know whether the first answer was committed asks again with it."""


@dataclass(frozen=True, slots=True)
class Changed:
    """A call after a change."""

    call: Call
    moved: bool
    """Into another state, by this change."""


@dataclass(frozen=True, slots=True)
class Settled:
    """What became of everything in one transaction, in the order of the questions."""

    changes: tuple[Changed | None, ...]
    """None where there is no such call."""
    leases: tuple[Leased, ...]


def lease(store: Store, site: str, wanted: Sequence[NewCall], *, now: datetime) -> list[Leased]:
    """Give calls an extension each, in one transaction, as if they came one after the other."""
    requests = [Request(new, new_id()) for new in wanted]
    return list(settle(store, site, (), requests, now=now).leases)


def change(store: Store, site: str, changes: Sequence[Change], *, now: datetime) -> list[Call | None]:
    """Note what was found out about calls, in one transaction; a call that is over gives its extension back.

    Returns:
        Each call as it is then; None where there is no such.
    """
    return [each.call if each else None for each in settle(store, site, changes, (), now=now).changes]


def settle(
    store: Store, site: str, changes: Sequence[Change], requests: Sequence[Request], *, now: datetime
) -> Settled:
    """Changes, and then leases, which may have the extensions that those gave back: one transaction."""
    now = now.astimezone(UTC)

    def once(again: bool) -> Settled:
        with store.write() as connection:
            pools = _lock(connection, site, {request.new.tenant for request in requests})
            changed = _change(connection, site, changes, now=now)
            return Settled(changed, _Batch(store, connection, site, pools, now).lease(requests, look=again))

    return _undisturbed(once)


def reap(store: Store, site: str, *, now: datetime, limit: int = 500) -> list[Call]:
    """End the states whose deadline has passed; anybody may, at any time. Returns the calls that moved."""
    due = (CALLS.c.site == site) & LIVE & (CALLS.c.deadline <= now)
    query = sa.select(CALLS).where(due).order_by(CALLS.c.deadline).limit(limit)

    def once(_: bool) -> list[Call]:
        with store.write() as connection:
            found = [call(row) for row in connection.execute(query.with_for_update(skip_locked=True))]
            ended = [overdue(each, now=now) for each in found]
            _write(connection, site, list(zip(found, ended, strict=True)))
            return ended

    with store.read() as connection:  # mostly there are none, and nobody needs to wait for them
        if connection.execute(query.with_only_columns(CALLS.c.seq).limit(1)).first() is None:
            return []
    return _undisturbed(once)


class _KnownAlready(Exception):
    """A token and request key that have a call already: rare, so nobody looks before it is found out."""


def _undisturbed(function: Callable[[bool], T]) -> T:
    """What `function` says once no other transaction is in its way; it is told whether it is tried again."""
    for attempt in range(_ATTEMPTS - 1):
        try:
            return function(attempt > 0)
        except (StoreConflict, _KnownAlready):
            continue
    try:
        return function(True)
    except _KnownAlready:
        raise StoreUnavailable("others keep using the same request keys") from None


def _lock(connection: sa.Connection, site: str, tenants: set[str]) -> dict[str, Pool]:
    """From here on nobody else gives extensions of these tenants."""
    if not tenants:
        return {}
    rows = connection.execute(_LOCK, {"site": site, "tenants": sorted(tenants)})
    return {row.tenant: Pool(*row) for row in rows}


def _change(
    connection: sa.Connection, site: str, changes: Sequence[Change], *, now: datetime
) -> tuple[Changed | None, ...]:
    if not changes:
        return ()
    ids = sorted({each.call for each in changes})
    found = [call(row) for row in connection.execute(_NAMED, {"ids": ids})]
    before = {each.id: each for each in found if each.site == site}
    calls = dict(before)
    said: list[Changed | None] = []
    for each in changes:
        known = calls.get(each.call)
        if known is None:
            said.append(None)
            continue
        calls[each.call] = after(known, each, now=now)
        said.append(Changed(calls[each.call], moved=calls[each.call].state != known.state))
    _write(connection, site, [(known, calls[name]) for name, known in before.items()])
    return tuple(said)


def _write(connection: sa.Connection, site: str, calls: Sequence[tuple[Call, Call]]) -> None:
    """Write calls, each before and after; those that are over now give their extension back."""
    rows: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    over: list[Call] = []
    for was, is_now in calls:
        names = tuple(name for name in _MAY_CHANGE if getattr(was, name) != getattr(is_now, name))
        if names:
            rows[names].append({"which": was.seq, **{name: getattr(is_now, name) for name in names}})
        if was.state != is_now.state == "released":
            over.append(is_now)
    for same in rows.values():
        connection.execute(_UPDATE, same)
    if over:
        _free(connection, site, over)


def _free(connection: sa.Connection, site: str, calls: Sequence[Call]) -> None:
    """Have extensions back, and only those that these very calls still hold: `seq` is the fencing token."""
    rows = [{"site_is": site, "number_is": each.number, "call_is": each.seq} for each in calls]
    connection.execute(_FREE, sorted(rows, key=itemgetter("number_is")))
    connection.execute(_DRAINED, {"site_is": site})


@dataclass(frozen=True, slots=True)
class _Batch:
    """Leases of one transaction, whose pools are locked."""

    store: Store
    connection: sa.Connection
    site: str
    pools: Mapping[str, Pool]
    now: datetime

    def lease(self, requests: Sequence[Request], *, look: bool) -> tuple[Leased, ...]:
        """Answers in order; without `look` it is taken for granted that nobody has a call already.

        Raises:
            _KnownAlready: somebody has.
        """
        asked: dict[tuple[str, str], Request] = {}
        for each in requests:
            asked.setdefault(_key(each), each)
        answers = self._had(list(asked.values())) if look else {}
        open_ones = [each for key, each in asked.items() if key not in answers]
        answers |= {_key(each): leased for each, leased in zip(open_ones, self._decide(open_ones), strict=True)}
        if not look:
            answers |= self._had([each for key, each in asked.items() if answers[key].call is None])
        found = []
        for each in requests:
            answer = answers[_key(each)]
            known = answer.call is not None and answer.call.id != each.id
            found.append(replace(answer, fresh=False) if known else answer)
        return tuple(found)

    def _had(self, requests: Sequence[Request]) -> dict[tuple[str, str], Leased]:
        """The calls that these have already."""
        keys: dict[str, list[str]] = defaultdict(list)
        for each in requests:
            keys[each.new.token].append(each.new.request_key)
        seqs: list[int] = []
        for token, mine in keys.items():
            found = _HAD.find(self.connection, mine, site=self.site, token=token)
            seqs += [seq for seq in found.values() if seq is not None]
        if not seqs:
            return {}
        calls = [call(row) for row in self.connection.execute(_NUMBERED, {"seqs": seqs})]
        return {(each.token, each.request_key): Leased(each) for each in calls}

    def _decide(self, requests: Sequence[Request]) -> list[Leased]:
        if not requests:
            return []
        wanted = [(each.new.tenant, str(each.new.identity or each.new.destination)) for each in requests]
        if barred := do_not_call.barred(self.connection, self.site, wanted):
            refused = {
                each.id: Leased(None, Denied.barred("DoNotCall" if pair[1].startswith("+") else "NumberUnknown"))
                for each, pair in zip(requests, wanted, strict=True)
                if pair in barred
            }
            others = [each for each in requests if each.id not in refused]
            allowed = {each.id: leased for each, leased in zip(others, self._give(others), strict=True)}
            return [refused.get(each.id) or allowed[each.id] for each in requests]
        return self._give(requests)

    def _give(self, requests: Sequence[Request]) -> list[Leased]:
        by_tenant: dict[str, list[Request]] = defaultdict(list)
        for each in requests:
            by_tenant[each.new.tenant].append(each)
        open_pools = sorted(tenant for tenant in by_tenant if tenant in self.pools and self.pools[tenant].enabled)
        live = live_calls(self.connection, self.site, tenants=open_pools) if open_pools else {}
        given: dict[str, str] = {}
        for tenant in open_pools:
            pool = self.pools[tenant]
            mine = by_tenant[tenant][: max(pool.max_calls - live.get(tenant, 0), 0)]
            taken = take(self.connection, pool, [each.new.agent for each in mine])
            given |= {each.id: number for each, number in zip(mine, taken.numbers, strict=False)}
            if taken.turn != pool.turn:
                mine_only = (POOLS.c.site == self.site) & (POOLS.c.tenant == tenant)
                self.connection.execute(sa.update(POOLS).where(mine_only).values(turn=taken.turn))
        calls = self._insert([(each, given[each.id]) for each in requests if each.id in given])
        denied = self._denials(sorted({each.new.tenant for each in requests if each.id not in given}))
        return [
            Leased(calls[each.id]) if each.id in calls else Leased(None, denied[each.new.tenant]) for each in requests
        ]

    def _insert(self, given: Sequence[tuple[Request, str]]) -> dict[str, Call]:
        if not given:
            return {}
        rows = [reserved(request.id, self.site, number, request.new, self.now) for request, number in given]
        insert = self.store.insert_new(CALLS).returning(CALLS.c.id, CALLS.c.seq)
        seqs: dict[str, int] = {row.id: row.seq for row in self.connection.execute(insert, rows)}
        if len(seqs) < len(rows):
            raise _KnownAlready
        held = [
            {"site_is": self.site, "number_is": row["number"], "holder": seqs[row["id"]], "at": self.now}
            for row in rows
        ]
        self.connection.execute(_HOLD, held)
        return {row["id"]: Call(seq=seqs[row["id"]], **row, **_NOT_YET) for row in rows}

    def _denials(self, tenants: Sequence[str]) -> dict[str, Denied]:
        if not tenants:
            return {}
        standings = counted(self.connection, self.site, tenants=tenants)
        found: dict[str, Denied] = {}
        for tenant in tenants:
            pool, standing = self.pools.get(tenant), standings.get(tenant)
            if pool is None or standing is None:
                found[tenant] = Denied("NoTenant", 0, 0, 0, 0)
                continue
            full = standing.active_calls >= pool.max_calls
            reason: Literal["Disabled", "AtMaximum", "Exhausted"]
            reason = "Disabled" if not pool.enabled else "AtMaximum" if full else "Exhausted"
            found[tenant] = Denied(reason, standing.active_calls, pool.max_calls, standing.total, standing.available)
        return found


def _key(request: Request) -> tuple[str, str]:
    return (request.new.token, request.new.request_key)


_LOCK: Final = (
    sa.select(*(POOLS.c[name] for name in POOL_FIELDS))
    .where(POOLS.c.site == sa.bindparam("site"), POOLS.c.tenant.in_(sa.bindparam("tenants", expanding=True)))
    .order_by(POOLS.c.tenant)
    .with_for_update()
)
_NAMED: Final = (
    sa.select(CALLS).where(CALLS.c.id.in_(sa.bindparam("ids", expanding=True))).order_by(CALLS.c.seq).with_for_update()
)
_NUMBERED: Final = sa.select(CALLS).where(CALLS.c.seq.in_(sa.bindparam("seqs", expanding=True)))
_HAD: Final = EachGiven(
    lambda key: sa.select(CALLS.c.seq).where(
        CALLS.c.site == sa.bindparam("site"), CALLS.c.token == sa.bindparam("token"), CALLS.c.request_key == key
    )
)
_THIS: Final = (EXTENSIONS.c.site == sa.bindparam("site_is")) & (EXTENSIONS.c.number == sa.bindparam("number_is"))
_HOLD: Final = (
    sa.update(EXTENSIONS)
    .where(_THIS)
    .values(call=sa.bindparam("holder"), used=sa.bindparam("holder"), last_used_at=sa.bindparam("at"))
)
_MOVES: Final = EXTENSIONS.c.moves_to.is_not(None)
_FREE: Final = (
    sa.update(EXTENSIONS)
    .where(_THIS, EXTENSIONS.c.call == sa.bindparam("call_is"))
    .values(
        call=sa.null(),
        tenant=sa.func.coalesce(EXTENSIONS.c.moves_to, EXTENSIONS.c.tenant),
        position=sa.func.coalesce(EXTENSIONS.c.moves_position, EXTENSIONS.c.position),
        draining=sa.case((_MOVES, sa.false()), else_=EXTENSIONS.c.draining),
        moves_to=sa.null(),
        moves_position=sa.null(),
    )
)
_DRAINED: Final = sa.delete(EXTENSIONS).where(
    EXTENSIONS.c.site == sa.bindparam("site_is"), sa.text("draining"), EXTENSIONS.c.call.is_(None)
)
_UPDATE: Final = sa.update(CALLS).where(CALLS.c.seq == sa.bindparam("which"))
_MAY_CHANGE: Final = (
    "state",
    "deadline",
    "answer_lost",
    "rung",
    "outcome",
    "reason",
    "caller_number",
    "dialing_at",
    "answered_at",
    "released_at",
    "record",
    "record_at",
    "provider_uuid",
    "ring_seconds",
    "talk_seconds",
    "hangup_cause",
    "recording",
)
_NOT_YET: Final[dict[str, Any]] = dict.fromkeys(
    (
        "outcome",
        "reason",
        "dialing_at",
        "answered_at",
        "released_at",
        "record",
        "record_at",
        "provider_uuid",
        "ring_seconds",
        "talk_seconds",
        "hangup_cause",
        "recording",
    )
)
