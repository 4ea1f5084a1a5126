"""Which of a pool's free extensions calls are given, by the pool's strategy."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.infinity.tables.calls import CALLS
from dialplane.services.infinity.tables.pools import EXTENSIONS, FREE
from dialplane.store.given import EachGiven


@dataclass(frozen=True, slots=True)
class Pool:
    """A pool whose row is locked."""

    site: str
    tenant: str
    strategy: str
    max_calls: int
    enabled: bool
    turn: int


@dataclass(frozen=True, slots=True)
class Taken:
    """Free extensions, locked until the transaction ends: one for each of the first agents, as far as there are any."""

    numbers: tuple[str, ...]
    turn: int
    """The pool's new one."""


def take(connection: sa.Connection, pool: Pool, agents: Sequence[str]) -> Taken:
    """Choose for these agents' calls, as if they came one after the other.

    An extension that somebody is changing right now is passed over, not waited for.
    """
    if not agents:
        return Taken((), pool.turn)
    match pool.strategy:
        case "RoundRobin":
            return _next_ones(connection, pool, len(agents))
        case "AgentAffinity":
            return Taken(_own_ones(connection, pool, agents), pool.turn)
        case _:
            return Taken(tuple(_least_recent(connection, pool, len(agents))), pool.turn)


def _least_recent(connection: sa.Connection, pool: Pool, count: int) -> Sequence[str]:
    asked = {"site": pool.site, "tenant": pool.tenant, "count": count}
    return connection.execute(_LEAST_RECENT, asked).scalars().all()


def _next_ones(connection: sa.Connection, pool: Pool, count: int) -> Taken:
    """In the pool's order after the one that was given last, and again from the beginning."""
    asked = {"site": pool.site, "tenant": pool.tenant, "turn": pool.turn}
    found: list[Any] = []
    for part in (_LATER, _EARLIER):
        if len(found) < count:
            found += connection.execute(part, {**asked, "count": count - len(found)}).all()
    return Taken(tuple(row.number for row in found), found[-1].position if found else pool.turn)


def _own_ones(connection: sa.Connection, pool: Pool, agents: Sequence[str]) -> tuple[str, ...]:
    """The one that the agent's last call had, where it is free; else the least recently used."""
    last: dict[str, str | None] = _LAST.find(connection, sorted(set(agents)), site=pool.site, tenant=pool.tenant)
    own = sorted({number for number in last.values() if number is not None})
    asked = {"site": pool.site, "tenant": pool.tenant, "numbers": own}
    free = set(connection.execute(_THESE, asked).scalars()) if own else set()
    others = _least_recent(connection, pool, len(agents))
    free |= set(others)
    spare, given = iter(others), []
    for agent in agents:
        number = last.get(agent)
        if number not in free:
            number = next((each for each in spare if each in free), None)
        if number is None:
            break
        free.remove(number)
        given.append(number)
    return tuple(given)


_FREE_ONES: Final = (
    sa.select(EXTENSIONS.c.number, EXTENSIONS.c.position)
    .where(EXTENSIONS.c.site == sa.bindparam("site"), EXTENSIONS.c.tenant == sa.bindparam("tenant"), FREE)
    .with_for_update(skip_locked=True)
)
_SO_MANY: Final = sa.bindparam("count", type_=sa.Integer)
# `call` is NULL in all of them: named first, the order is the index's, and nothing needs to be sorted.
_LEAST_RECENT: Final = _FREE_ONES.order_by(EXTENSIONS.c.call, EXTENSIONS.c.used, EXTENSIONS.c.position).limit(_SO_MANY)
_IN_TURN: Final = _FREE_ONES.order_by(EXTENSIONS.c.position).limit(_SO_MANY)
_LATER: Final = _IN_TURN.where(EXTENSIONS.c.position > sa.bindparam("turn"))
_EARLIER: Final = _IN_TURN.where(EXTENSIONS.c.position <= sa.bindparam("turn"))
_THESE: Final = _FREE_ONES.where(EXTENSIONS.c.number.in_(sa.bindparam("numbers", expanding=True)))


_LAST: Final = EachGiven(
    lambda agent: (
        sa.select(CALLS.c.number)
        .where(CALLS.c.site == sa.bindparam("site"), CALLS.c.tenant == sa.bindparam("tenant"), CALLS.c.agent == agent)
        .order_by(CALLS.c.seq.desc())
        .limit(1)
    )
)
"""The number that an agent's last call had."""
POOL_FIELDS: Final = tuple(Pool.__dataclass_fields__)
