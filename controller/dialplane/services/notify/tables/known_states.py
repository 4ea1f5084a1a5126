"""The last known state of things whose changes are told: a restarted controller tells of a change, not of a state."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.store import events
from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store
from dialplane.store.events import NewEvent

KNOWN_STATES: Final = sa.Table(
    "known_states",
    METADATA,
    sa.Column("site", sa.String(63), nullable=False),
    sa.Column("subject", sa.String(160), nullable=False),
    sa.Column("state", sa.String(63), nullable=False),
    sa.Column("at", Moment, nullable=False),
    sa.PrimaryKeyConstraint("site", "subject"),
)


@dataclass(frozen=True, slots=True)
class KnownState:
    """What was last known of one thing."""

    subject: str
    """Such as `Dongle/gsm1`."""
    state: str
    at: datetime


def known(store: Store, site: str) -> dict[str, KnownState]:
    """What is known, by subject."""
    query = sa.select(KNOWN_STATES).where(KNOWN_STATES.c.site == site)
    with store.read() as connection:
        return {row.subject: KnownState(row.subject, row.state, row.at) for row in connection.execute(query)}


def learn(
    store: Store,
    site: str,
    states: Iterable[KnownState],
    told: Sequence[NewEvent] = (),
    gone: Iterable[str] = (),
) -> None:
    """Remember states, forget things that are no more, and write the events that tell of it, in one transaction."""
    new = list(states)
    left = [state.subject for state in new] + list(gone)
    with store.write() as connection:
        if left:
            mine = (KNOWN_STATES.c.site == site) & (KNOWN_STATES.c.subject == sa.bindparam("left"))
            connection.execute(sa.delete(KNOWN_STATES).where(mine), [{"left": subject} for subject in left])
        if new:
            rows = [{"site": site, "subject": each.subject, "state": each.state, "at": each.at} for each in new]
            connection.execute(sa.insert(KNOWN_STATES), rows)
        events.append(connection, told)
