"""Pools of extensions, one of each tenant: what the manifests ask for, and what each extension does now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.services.infinity.tables.calls import CALLS, LIVE
from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

ExtensionState = Literal["available", "in_use", "offline", "draining"]
"""`offline`: somebody took it out of service, and it is free. `draining`: no longer wanted, and still in a call."""

POOLS: Final = sa.Table(
    "pools",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),  # the InfinityTenant's name
    sa.Column("strategy", sa.String(32), nullable=False),
    sa.Column("max_calls", sa.Integer, nullable=False),
    sa.Column("enabled", sa.Boolean, nullable=False),
    sa.Column("turn", sa.Integer, nullable=False),  # RoundRobin: the position that was given last, -1 before the first
    sa.PrimaryKeyConstraint("site", "tenant"),
)
"""Whoever leases locks the tenant's row first: so the maximum holds over any number of processes."""

EXTENSIONS: Final = sa.Table(
    "pool_extensions",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("number", sa.String(10), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("position", sa.Integer, nullable=False),  # in the tenant's pool, from 0
    sa.Column("offline", sa.Boolean, nullable=False),  # somebody took it out of service
    sa.Column("draining", sa.Boolean, nullable=False),  # in a call, and no longer wanted by this tenant's manifest
    sa.Column("call", sa.BigInteger),  # `seq` of the call that holds it
    sa.Column("used", sa.BigInteger, nullable=False),  # `seq` of the last call that held it, 0 before the first
    sa.Column("last_used_at", Moment),
    sa.Column("moves_to", sa.String(63)),  # draining: the tenant that has it next; none, and it goes
    sa.Column("moves_position", sa.Integer),
    sa.PrimaryKeyConstraint("site", "number"),
    sa.Index(None, "site", "tenant", "position"),
    sa.Index(None, "site", "tenant", "call", "used", "position"),
    sa.Index(
        "ix_pool_extensions_draining",
        "site",
        "call",
        sqlite_where=sa.text("draining"),
        postgresql_where=sa.text("draining"),
    ),
)
"""A number has one row in a site, and so one tenant at a time: one that moves from a tenant to another does so when it
is free."""

FREE: Final = EXTENSIONS.c.call.is_(None) & ~EXTENSIONS.c.offline & ~EXTENSIONS.c.draining
"""Of extensions that a call may have."""


@dataclass(frozen=True, slots=True)
class PoolWanted:
    """A tenant's pool as its manifest asks for it."""

    tenant: str
    strategy: str
    max_calls: int
    enabled: bool
    numbers: tuple[str, ...]
    """In order."""


@dataclass(frozen=True, slots=True)
class PoolStanding:
    """A pool's extensions by what they do now, and its calls."""

    total: int = 0
    """All of them: the sum of the next four."""
    available: int = 0
    in_use: int = 0
    """Those of `draining` not counted."""
    offline: int = 0
    draining: int = 0
    active_calls: int = 0
    """Calls that hold an extension."""


@dataclass(frozen=True, slots=True)
class Extension:
    """An extension, and who holds it."""

    number: str
    tenant: str
    position: int
    """In the tenant's pool, from 0."""
    state: ExtensionState
    call: str | None
    """The id of the call that holds it."""
    agent: str | None
    """Of that call."""
    since: datetime | None
    """When that call was given it."""
    last_used_at: datetime | None
    """When a call was given it last."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Whose an extension is, and how it stands there."""

    tenant: str
    position: int
    draining: bool = False
    moves_to: str | None = None
    moves_position: int | None = None


@dataclass(frozen=True, slots=True)
class _Held:
    """An extension as it is kept."""

    place: _Place
    busy: bool


def sync(store: Store, site: str, wanted: Sequence[PoolWanted], *, keep: frozenset[str] = frozenset()) -> None:
    """Have the pools of a site be these; nothing is written where they are so already.

    An extension that is no longer wanted goes when it is free, or moves to the tenant that wants it now: no call loses
    the one that it has.

    Args:
        store: the store.
        site: the site's namespace.
        wanted: every pool. Tenants that are not named take no more calls, and their pools go.
        keep: tenants whose manifest cannot be read now: they keep their pools, and take no calls.
    """
    with store.read() as connection:
        if not _Work.between(_pools(connection, site), _extensions(connection, site), wanted, keep):
            return
    unlike = {"site": site, "strategy": "", "max_calls": 0, "enabled": False, "turn": -1}
    with store.write() as connection:
        if wanted:  # so that there is a row to lock; in order, as everywhere
            rows = [{**unlike, "tenant": tenant} for tenant in sorted({pool.tenant for pool in wanted})]
            connection.execute(store.insert_new(POOLS), rows)
        pools = _pools(connection, site, lock=True)
        _Work.between(pools, _extensions(connection, site, lock=True), wanted, keep).do(connection, site)
        if connection.dialect.name == "postgresql":  # which would learn the pools' size a minute later by itself
            connection.execute(sa.text("ANALYZE pool_extensions"))


def standings(store: Store, site: str) -> dict[str, PoolStanding]:
    """How every tenant's pool stands."""
    with store.read() as connection:
        return counted(connection, site, tenants=None)


def counted(connection: sa.Connection, site: str, *, tenants: Sequence[str] | None) -> dict[str, PoolStanding]:
    """How these tenants' pools stand, in a transaction that runs; None means all."""
    state = _state()
    some = EXTENSIONS.c.site == site if tenants is None else _of(EXTENSIONS, site, tenants)
    query = (
        sa.select(
            EXTENSIONS.c.tenant,
            sa.func.count().label("total"),
            *(
                sa.func.count(sa.case((state == each, 1))).label(each)
                for each in ("available", "in_use", "offline", "draining")
            ),
        )
        .where(some)
        .group_by(EXTENSIONS.c.tenant)
    )
    live = live_calls(connection, site, tenants=tenants)
    found = {tenant: PoolStanding(*numbers) for tenant, *numbers in connection.execute(query)}
    pools = sa.select(POOLS.c.tenant).where(POOLS.c.site == site if tenants is None else _of(POOLS, site, tenants))
    known = {*connection.execute(pools).scalars(), *found, *live}
    return {
        tenant: replace(found.get(tenant, PoolStanding()), active_calls=live.get(tenant, 0)) for tenant in sorted(known)
    }


def live_calls(connection: sa.Connection, site: str, *, tenants: Sequence[str] | None) -> dict[str, int]:
    """How many calls of these tenants are not over; a tenant without any is left out."""
    if tenants is None:
        return dict(iter(connection.execute(_LIVE, {"site": site})))
    return dict(iter(connection.execute(_LIVE_OF, {"site": site, "tenants": tenants})))


def extensions(
    store: Store,
    site: str,
    *,
    tenant: str | None = None,
    tenants: frozenset[str] | None = None,
    state: ExtensionState | None = None,
    limit: int,
    after: str | None = None,
) -> tuple[Extension, ...]:
    """Extensions by number, and who holds them; `after` is the last number of the page before.

    `tenants` are those that the asker may know of; None: all.
    """
    query = _EXTENSIONS.where(EXTENSIONS.c.site == site).order_by(EXTENSIONS.c.number).limit(limit)
    if tenant is not None:
        query = query.where(EXTENSIONS.c.tenant == tenant)
    if tenants is not None:
        query = query.where(EXTENSIONS.c.tenant.in_(tenants))
    if state is not None:
        query = query.where(_state() == state)
    if after is not None:
        query = query.where(EXTENSIONS.c.number > after)
    with store.read() as connection:
        return tuple(_extension(row) for row in connection.execute(query))


def extension(store: Store, site: str, number: str) -> Extension | None:
    """One extension, and who holds it."""
    with store.read() as connection:
        row = connection.execute(
            _EXTENSIONS.where(EXTENSIONS.c.site == site, EXTENSIONS.c.number == number)
        ).one_or_none()
    return None if row is None else _extension(row)


def set_offline(store: Store, site: str, number: str, offline: bool) -> Extension | None:
    """Take an extension out of service, or put it back; a call that holds it goes on. None: there is no such."""
    mine = (EXTENSIONS.c.site == site) & (EXTENSIONS.c.number == number)
    with store.write() as connection:
        connection.execute(sa.update(EXTENSIONS).where(mine).values(offline=offline))
        row = connection.execute(_EXTENSIONS.where(mine)).one_or_none()
    return None if row is None else _extension(row)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be written, so that the pools are as wanted."""

    pools: tuple[dict[str, Any], ...]
    """Values of the pools that differ."""
    gone: tuple[str, ...]
    """Tenants without any extension."""
    new: tuple[tuple[str, _Place], ...]
    other: tuple[tuple[str, _Place], ...]
    unwanted: tuple[str, ...]

    @classmethod
    def between(
        cls,
        pools: Mapping[str, dict[str, Any]],
        extensions: Mapping[str, _Held],
        wanted: Sequence[PoolWanted],
        keep: frozenset[str],
    ) -> "_Work":
        places: dict[str, _Place] = {}
        for pool in wanted:
            for position, number in enumerate(pool.numbers):
                places.setdefault(number, _Place(pool.tenant, position))
        then = {number: _then(held, places.get(number), keep) for number, held in extensions.items()}
        named = {pool.tenant: pool for pool in wanted}
        holders = {place.tenant for place in then.values() if place} | keep | named.keys()
        values = {
            tenant: {**has, "enabled": False} if tenant not in named else _values(named[tenant])
            for tenant, has in {**{tenant: {} for tenant in named}, **pools}.items()
            if tenant in holders
        }
        return cls(
            pools=tuple({"which": tenant, **value} for tenant, value in values.items() if pools.get(tenant) != value),
            gone=tuple(sorted(pools.keys() - holders)),
            new=tuple((number, place) for number, place in places.items() if number not in extensions),
            other=tuple((n, place) for n, place in then.items() if place is not None and place != extensions[n].place),
            unwanted=tuple(number for number, place in then.items() if place is None),
        )

    def __bool__(self) -> bool:
        return any((self.pools, self.gone, self.new, self.other, self.unwanted))

    def do(self, connection: sa.Connection, site: str) -> None:
        pool = (POOLS.c.site == site) & (POOLS.c.tenant == sa.bindparam("which"))
        extension = (EXTENSIONS.c.site == site) & (EXTENSIONS.c.number == sa.bindparam("which"))
        fields = _Place.__dataclass_fields__
        if self.pools:
            connection.execute(sa.update(POOLS).where(pool), list(self.pools))
        if self.gone:
            connection.execute(sa.delete(POOLS).where(pool), [{"which": tenant} for tenant in self.gone])
        if self.unwanted:
            connection.execute(sa.delete(EXTENSIONS).where(extension), [{"which": number} for number in self.unwanted])
        if self.other:
            rows = [{"which": n, **{name: getattr(place, name) for name in fields}} for n, place in self.other]
            connection.execute(sa.update(EXTENSIONS).where(extension), rows)
        if self.new:
            first = {"site": site, "offline": False, "draining": False, "used": 0}
            made = [{**first, "number": n, "tenant": p.tenant, "position": p.position} for n, p in self.new]
            connection.execute(sa.insert(EXTENSIONS), made)


def _then(held: _Held, wanted: _Place | None, keep: frozenset[str]) -> _Place | None:
    """Where an extension is then; None: nowhere."""
    has = held.place
    if (has.moves_to or has.tenant) in keep:
        return has
    if not held.busy or (wanted is not None and wanted.tenant == has.tenant):
        return wanted
    moves = (wanted.tenant, wanted.position) if wanted else (None, None)
    return _Place(has.tenant, has.position, True, *moves)


def _values(pool: PoolWanted) -> dict[str, Any]:
    return {"strategy": pool.strategy, "max_calls": pool.max_calls, "enabled": pool.enabled}


def _pools(connection: sa.Connection, site: str, *, lock: bool = False) -> dict[str, dict[str, Any]]:
    query = sa.select(POOLS).where(POOLS.c.site == site).order_by(POOLS.c.tenant)
    rows = connection.execute(query.with_for_update() if lock else query)
    return {row.tenant: {"strategy": row.strategy, "max_calls": row.max_calls, "enabled": row.enabled} for row in rows}


def _extensions(connection: sa.Connection, site: str, *, lock: bool = False) -> dict[str, _Held]:
    columns = [EXTENSIONS.c[name] for name in _Place.__dataclass_fields__]
    query = sa.select(EXTENSIONS.c.number, EXTENSIONS.c.call, *columns).where(EXTENSIONS.c.site == site)
    query = query.order_by(EXTENSIONS.c.number)
    rows = connection.execute(query.with_for_update() if lock else query)
    return {number: _Held(_Place(*place), call is not None) for number, call, *place in rows}


def _of(table: sa.Table, site: str, tenants: Sequence[str]) -> sa.ColumnElement[bool]:
    return (table.c.site == site) & table.c.tenant.in_(tenants)


def _state() -> sa.ColumnElement[str]:
    return sa.case(
        (EXTENSIONS.c.draining, "draining"),
        (EXTENSIONS.c.call.is_not(None), "in_use"),
        (EXTENSIONS.c.offline, "offline"),
        else_="available",
    )


def _extension(row: sa.Row[tuple[Any, ...]]) -> Extension:
    return Extension(**{name: getattr(row, name) for name in Extension.__dataclass_fields__})


_LIVE: Final = (
    sa.select(CALLS.c.tenant, sa.func.count())
    .where(CALLS.c.site == sa.bindparam("site"), LIVE)
    .group_by(CALLS.c.tenant)
)
_LIVE_OF: Final = _LIVE.where(CALLS.c.tenant.in_(sa.bindparam("tenants", expanding=True)))
_EXTENSIONS: Final = sa.select(
    EXTENSIONS.c.number,
    EXTENSIONS.c.tenant,
    EXTENSIONS.c.position,
    _state().label("state"),
    CALLS.c.id.label("call"),
    CALLS.c.agent,
    CALLS.c.reserved_at.label("since"),
    EXTENSIONS.c.last_used_at,
).join_from(EXTENSIONS, CALLS, CALLS.c.seq == EXTENSIONS.c.call, isouter=True)
