"""Numbers that nobody at the site calls, or nobody of one tenant: changed while running, and who changed them and why.

A number is there as E.164 has it. `leases` looks here in the very transaction that would begin a call: whatever was
added before that is not called, by no process. Rows of `do_not_call_changes` are added, never changed or deleted.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dialplane.store.columns import METADATA, AnyText, Moment, sequence
from dialplane.store.engine import Store

Change = Literal["added", "removed"]

WHOLE_SITE: Final = ""
"""In place of a tenant: nobody at the site calls the number."""

LISTED: Final = sa.Table(
    "do_not_call",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),  # WHOLE_SITE: of every one
    sa.Column("number", sa.String(16), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("token", sa.String(253), nullable=False),  # the name of the one that it was added with
    sa.Column("reason", AnyText, nullable=False),
    sa.UniqueConstraint("site", "number", "tenant"),
    sqlite_autoincrement=True,
)

CHANGES: Final = sa.Table(
    "do_not_call_changes",
    METADATA,
    sequence(),
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("tenant", sa.String(63), nullable=False),
    sa.Column("number", sa.String(16), nullable=False),
    sa.Column("change", sa.String(8), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.Column("token", sa.String(253), nullable=False),
    sa.Column("reason", AnyText, nullable=False),
    sa.Index(None, "site", "seq"),
    sqlite_autoincrement=True,
)


@dataclass(frozen=True, slots=True)
class Entry:
    """A number that is not called."""

    seq: int
    tenant: str
    """`WHOLE_SITE`: of every tenant."""
    number: str
    at: datetime
    """When it was added."""
    token: str
    """The name of the API's token that it was added with."""
    reason: str


@dataclass(frozen=True, slots=True)
class Changed:
    """One change of the list."""

    seq: int
    tenant: str
    number: str
    change: Change
    at: datetime
    token: str
    reason: str


@dataclass(frozen=True, slots=True)
class By:
    """Who changes the list, when and why."""

    token: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Standing:
    """The whole list of a site."""

    version: int = 0
    """Another one with each change."""
    numbers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """By tenant; `WHOLE_SITE` is a key of its own."""

    def of(self, tenant: str) -> frozenset[str]:
        """The numbers that are not called for a tenant."""
        return self.numbers.get(tenant, frozenset()) | self.numbers.get(WHOLE_SITE, frozenset())


def add(store: Store, site: str, tenant: str, number: str, by: By) -> tuple[Entry, bool]:
    """Have a number not called any more, from the moment that this returns; False where it was there already."""
    row = {"site": site, "tenant": tenant, "number": number, "at": by.at, "token": by.token, "reason": by.reason}
    with store.write() as connection:
        fresh = bool(connection.execute(store.insert_new(LISTED).returning(LISTED.c.seq), [row]).all())
        if fresh:
            connection.execute(sa.insert(CHANGES).values(**row, change="added"))
        found = connection.execute(_ENTRIES.where(_one(site, tenant, number))).one()
    return Entry(*found), fresh


def remove(store: Store, site: str, tenant: str, number: str, by: By) -> Entry | None:
    """Have a number called again; the entry as it was, None where there is none."""
    row = {"site": site, "tenant": tenant, "number": number, "at": by.at, "token": by.token, "reason": by.reason}
    with store.write() as connection:
        found = connection.execute(_ENTRIES.where(_one(site, tenant, number)).with_for_update()).one_or_none()
        if found is None:
            return None
        if connection.execute(sa.delete(LISTED).where(LISTED.c.seq == found.seq)).rowcount == 0:
            return None  # another process was quicker
        connection.execute(sa.insert(CHANGES).values(**row, change="removed"))
    return Entry(*found)


def entries(
    store: Store,
    site: str,
    *,
    limit: int,
    before: int | None = None,
    tenants: frozenset[str] | None = None,
    number: str | None = None,
) -> tuple[Entry, ...]:
    """Numbers that are not called, the newest first, of all tenants or of these (`WHOLE_SITE` among them)."""
    return tuple(Entry(*row) for row in _newest(store, _ENTRIES, LISTED, site, limit, before, tenants, number))


def changes(
    store: Store,
    site: str,
    *,
    limit: int,
    before: int | None = None,
    tenants: frozenset[str] | None = None,
    number: str | None = None,
) -> tuple[Changed, ...]:
    """What was changed, the newest first."""
    return tuple(Changed(*row) for row in _newest(store, _CHANGES, CHANGES, site, limit, before, tenants, number))


def standing(store: Store, site: str, *, unless: int | None = None) -> Standing | None:
    """The whole list; None where its version is still `unless`, which costs one look."""
    newest = sa.select(sa.func.max(CHANGES.c.seq)).where(CHANGES.c.site == site)
    with store.read() as connection:
        version = connection.execute(newest).scalar() or 0
        if version == unless:
            return None
        query = sa.select(LISTED.c.tenant, LISTED.c.number).where(LISTED.c.site == site)
        found: dict[str, set[str]] = defaultdict(set)
        for tenant, number in connection.execute(query):
            found[tenant].add(number)
    return Standing(version, {tenant: frozenset(numbers) for tenant, numbers in found.items()})


def barred(connection: sa.Connection, site: str, wanted: Sequence[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """Those of these (tenant, number) that are not to be called, by the list as this transaction sees it.

    A number without `+` cannot be compared: it is among them wherever its tenant has anything on the list.
    """
    numbers = sorted({number for _, number in wanted if number.startswith("+")})
    unknown = {each for each in wanted if not each[1].startswith("+")}
    here = LISTED.c.site == site
    found: set[tuple[str, str]] = set()
    if numbers:
        rows = connection.execute(_PAIRS.where(here, LISTED.c.number.in_(numbers))).all()
        listed = {(row.tenant, row.number) for row in rows}
        found |= {each for each in wanted if each in listed or (WHOLE_SITE, each[1]) in listed}
    if unknown:
        tenants = sorted({WHOLE_SITE, *(tenant for tenant, _ in unknown)})
        some = sa.select(LISTED.c.tenant).where(here, LISTED.c.tenant.in_(tenants)).distinct()
        having = set(connection.execute(some).scalars())
        found |= {each for each in unknown if having & {WHOLE_SITE, each[0]}}
    return frozenset(found)


def _newest(
    store: Store,
    query: sa.Select[Any],
    table: sa.Table,
    site: str,
    limit: int,
    before: int | None,
    tenants: frozenset[str] | None,
    number: str | None,
) -> Sequence[Any]:
    query = query.where(table.c.site == site).order_by(table.c.seq.desc()).limit(limit)
    if before is not None:
        query = query.where(table.c.seq < before)
    if tenants is not None:
        query = query.where(table.c.tenant.in_(sorted(tenants)))
    if number is not None:
        query = query.where(table.c.number == number)
    with store.read() as connection:
        return connection.execute(query).all()


def _one(site: str, tenant: str, number: str) -> sa.ColumnElement[bool]:
    return (LISTED.c.site == site) & (LISTED.c.tenant == tenant) & (LISTED.c.number == number)


_ENTRIES: Final = sa.select(*(LISTED.c[name] for name in Entry.__dataclass_fields__))
_CHANGES: Final = sa.select(*(CHANGES.c[name] for name in Changed.__dataclass_fields__))
_PAIRS: Final = sa.select(LISTED.c.tenant, LISTED.c.number)
