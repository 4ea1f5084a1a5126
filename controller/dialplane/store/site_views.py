"""What the leader wants of a site's replicas, and what they report: the one way between the processes of a site.

Each service has one view of each site. The leader of a site begins a term of it before it writes: the row counts the
terms, and a write of an earlier term changes nothing. So a process that has lost its lease and does not know it yet
never overwrites what its successor published.

A replica has a row that it renews; when that has expired it is removed with all states that the replica reported. Times
are the database's own: no clock of another machine decides.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import Enum
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dialplane.store.columns import METADATA, AnyText, Json, Moment
from dialplane.store.engine import Store

SITE_VIEWS: Final = sa.Table(
    "site_views",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("service", sa.String(63), primary_key=True),
    sa.Column("term", sa.BigInteger, nullable=False),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("body", Json, nullable=False),
    sa.Column("published_at", Moment, nullable=False),
)
REPLICAS: Final = sa.Table(
    "replicas",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("replica", sa.String(127), primary_key=True),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Column("expires_at", Moment, nullable=False),
)
REPLICA_STATES: Final = sa.Table(
    "replica_states",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("replica", sa.String(127), primary_key=True),
    sa.Column("service", sa.String(63), primary_key=True),
    sa.Column("subject", AnyText, primary_key=True),
    sa.Column("state", Json, nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.ForeignKeyConstraint(["site", "replica"], ["replicas.site", "replicas.replica"], ondelete="CASCADE"),
)


class Publication(Enum):
    """What a call of `publish` did."""

    WRITTEN = "written"
    UNCHANGED = "unchanged"
    """The view was the same already."""
    DEPOSED = "deposed"
    """A later term has begun: nothing was written."""


@dataclass(frozen=True, slots=True)
class View:
    """A service's desired view of a site."""

    service: str
    revision: int
    """Another one for each other body."""
    body: Any
    """JSON."""


@dataclass(frozen=True, slots=True)
class State:
    """A subject's state, as one replica reported it."""

    service: str
    subject: str
    state: Any
    """JSON."""
    at: datetime


@dataclass(frozen=True, slots=True)
class Replicas:
    """The replicas of a site that have not expired."""

    revisions: Mapping[str, int]
    """Of each replica by its id; another one when its states changed."""
    states: Mapping[str, tuple[State, ...]]
    """Of the replicas whose revision was another than the known one."""


def begin_term(store: Store, site: str, service: str) -> int:
    """Begin a term of a service's view, and return its number; writes of earlier terms change nothing from now on."""
    with store.write() as connection:
        now = _now(connection)
        row = {"site": site, "service": service, "term": 1, "revision": 0, "body": None, "published_at": now}
        insert = _insert(connection, SITE_VIEWS).values(row)
        counted = insert.on_conflict_do_update(
            index_elements=["site", "service"], set_={"term": SITE_VIEWS.c.term + 1}
        ).returning(SITE_VIEWS.c.term)
        return int(connection.execute(counted).scalar_one())


def publish(store: Store, site: str, service: str, term: int, body: Any) -> Publication:
    """Make `body`, a JSON value, the view of the replicas, unless it is already or a later term has begun."""
    here = (SITE_VIEWS.c.site == site) & (SITE_VIEWS.c.service == service)
    same = sa.and_(SITE_VIEWS.c.body.bool_op("=")(sa.literal(body, Json())), SITE_VIEWS.c.revision > 0)
    with store.write() as connection:
        found = connection.execute(sa.select(SITE_VIEWS.c.term, same).where(here).with_for_update()).one_or_none()
        if found is None or found[0] != term:
            return Publication.DEPOSED
        if found[1]:
            return Publication.UNCHANGED
        changed = {"body": body, "revision": SITE_VIEWS.c.revision + 1, "published_at": _now(connection)}
        connection.execute(sa.update(SITE_VIEWS).where(here).values(changed))
        return Publication.WRITTEN


def changed_views(store: Store, site: str, known: Mapping[str, int]) -> tuple[View, ...]:
    """Return the published views of these services that have another revision than the known one (0: none)."""
    columns = SITE_VIEWS.c
    query = sa.select(columns.service, columns.revision).where(
        columns.site == site, columns.service.in_(list(known)), columns.revision > 0
    )
    with store.read() as connection:
        changed = [name for name, revision in connection.execute(query) if known[name] != revision]
        if not changed:
            return ()
        bodies = sa.select(columns.service, columns.revision, columns.body).where(
            columns.site == site, columns.service.in_(changed)
        )
        return tuple(View(*row) for row in connection.execute(bodies))


def join(store: Store, site: str, replica: str, lease: timedelta) -> None:
    """Make a replica one of the site's, for as long as it calls `report` within each `lease`."""
    with store.write() as connection:
        expires = _now(connection) + lease
        row = {"site": site, "replica": replica, "revision": 0, "expires_at": expires}
        insert = _insert(connection, REPLICAS).values(row)
        connection.execute(
            insert.on_conflict_do_update(index_elements=["site", "replica"], set_={"expires_at": expires})
        )


def report(store: Store, site: str, replica: str, lease: timedelta, states: Mapping[tuple[str, str], Any]) -> bool:
    """Renew a replica's lease and write what has changed.

    Args:
        store: the database.
        site: the namespace.
        replica: its id.
        lease: from now on.
        states: the JSON state of each (service, subject); None removes it.

    Returns:
        Whether the replica is one of the site's; where it has expired, nothing was written: it joins again, and reports
        all states.
    """
    here = (REPLICAS.c.site == site) & (REPLICAS.c.replica == replica)
    with store.write() as connection:
        now = _now(connection)
        revision = REPLICAS.c.revision + (1 if states else 0)
        renewed = sa.update(REPLICAS).where(here).values(expires_at=now + lease, revision=revision)
        if connection.execute(renewed).rowcount == 0:
            return False
        key = {"site": site, "replica": replica}
        gone = [{"b_service": service, "b_subject": name} for (service, name), state in states.items() if state is None]
        rows = [
            {**key, "service": service, "subject": subject, "state": state, "at": now}
            for (service, subject), state in states.items()
            if state is not None
        ]
        if gone:
            columns = REPLICA_STATES.c
            removed = sa.delete(REPLICA_STATES).where(
                columns.site == site,
                columns.replica == replica,
                columns.service == sa.bindparam("b_service"),
                columns.subject == sa.bindparam("b_subject"),
            )
            connection.execute(removed, gone)
        if rows:
            insert = _insert(connection, REPLICA_STATES)
            written = insert.on_conflict_do_update(
                index_elements=["site", "replica", "service", "subject"],
                set_={"state": insert.excluded.state, "at": insert.excluded.at},
            )
            connection.execute(written, rows)
        return True


def leave(store: Store, site: str, replica: str) -> None:
    """Remove a replica that ends, and its states."""
    with store.write() as connection:
        connection.execute(sa.delete(REPLICAS).where(REPLICAS.c.site == site, REPLICAS.c.replica == replica))


def replicas(store: Store, site: str, known: Mapping[str, int], services: Sequence[str]) -> Replicas:
    """Return the replicas that have not expired, with the states of those whose revision is not the known one.

    Replicas that have expired are removed.
    """
    with store.read() as connection:
        now = _now(connection)
        rows = connection.execute(
            sa.select(REPLICAS.c.replica, REPLICAS.c.revision, REPLICAS.c.expires_at).where(REPLICAS.c.site == site)
        ).all()
        revisions = {row.replica: row.revision for row in rows if row.expires_at > now}
        states = {
            replica: _states(connection, site, replica, services)
            for replica, revision in revisions.items()
            if known.get(replica) != revision
        }
    if len(revisions) < len(rows):
        with store.write() as connection:  # those that were renewed meanwhile stay
            expired = REPLICAS.c.expires_at <= _now(connection)
            connection.execute(sa.delete(REPLICAS).where(REPLICAS.c.site == site, expired))
    return Replicas(revisions, states)


def live_replicas(connection: sa.Connection, site: str) -> frozenset[str]:
    """Return the replicas that have not expired, in the transaction of the caller."""
    query = sa.select(REPLICAS.c.replica).where(REPLICAS.c.site == site, REPLICAS.c.expires_at > _now(connection))
    return frozenset(connection.execute(query).scalars())


def _states(connection: sa.Connection, site: str, replica: str, services: Sequence[str]) -> tuple[State, ...]:
    columns = REPLICA_STATES.c
    query = sa.select(columns.service, columns.subject, columns.state, columns.at).where(
        columns.site == site, columns.replica == replica, columns.service.in_(list(services))
    )
    return tuple(State(*row) for row in connection.execute(query))


def _now(connection: sa.Connection) -> datetime:
    """The database's time; processes that share a SQLite file share the machine's."""
    if connection.dialect.name == "postgresql":
        return connection.execute(sa.select(sa.func.statement_timestamp(type_=Moment()))).scalar_one()
    return datetime.now(UTC)


def _insert(connection: sa.Connection, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return made(table)
