"""The last known state of things whose changes are told: a restarted controller tells of a change, not of a state."""

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


def learn(store: Store, site: str, states: tuple[KnownState, ...], told: tuple[NewEvent, ...] = ()) -> None:
    """Remember states, and with them the events that tell of their change, in one transaction."""
    with store.write() as connection:
        for state in states:
            mine = (KNOWN_STATES.c.site == site) & (KNOWN_STATES.c.subject == state.subject)
            connection.execute(sa.delete(KNOWN_STATES).where(mine))
            connection.execute(
                sa.insert(KNOWN_STATES).values(site=site, subject=state.subject, state=state.state, at=state.at)
            )
        events.append(connection, told)


def forget(store: Store, site: str, subjects: frozenset[str]) -> None:
    """Forget things that are no more."""
    with store.write() as connection:
        connection.execute(
            sa.delete(KNOWN_STATES).where(KNOWN_STATES.c.site == site, KNOWN_STATES.c.subject.in_(subjects))
        )
