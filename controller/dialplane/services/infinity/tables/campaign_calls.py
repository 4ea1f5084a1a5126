"""What the calls of a site mean to its campaigns."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa

from dialplane.services.infinity.tables.calls import CALLS, Outcome
from dialplane.services.infinity.tables.destination_claims import token_of
from dialplane.store.engine import Store

RANG: Final = ("Answered", "NotAnswered", "TimedOut", "Released")
"""Outcomes of calls that somebody may have heard ring: those that the answer rate is made of."""


@dataclass(frozen=True, slots=True)
class LiveCall:
    """A call that goes on, whoever asked for it."""

    id: str
    tenant: str
    agent: str
    callback_number: str
    token: str
    request_key: str


@dataclass(frozen=True, slots=True)
class Recent:
    """A campaign's last calls, from before this process knew of them."""

    begun: tuple[datetime, ...]
    """When those began that did so lately, in no order."""
    answered: tuple[bool, ...]
    """Whether somebody was reached, the newest first; only calls that may have rung."""


def live(store: Store, site: str) -> tuple[LiveCall, ...]:
    """Every call of the site that goes on."""
    query = sa.select(*(CALLS.c[name] for name in _LIVE)).where(CALLS.c.site == site, sa.text("state <> 'released'"))
    with store.read() as connection:
        return tuple(LiveCall(*row) for row in connection.execute(query))


def recent(store: Store, site: str, campaign: str, uid: str, *, since: datetime, most: int, window: int) -> Recent:
    """The last calls of a campaign.

    Args:
        store: the store.
        site: the site's namespace.
        campaign: its name.
        uid: its uid.
        since: from when on beginnings are of interest.
        most: how many of those at most.
        window: how many answers.
    """
    mine = (CALLS.c.site == site) & (CALLS.c.campaign == campaign) & (CALLS.c.token == token_of(uid))
    newest = sa.select(CALLS.c.reserved_at).where(mine).order_by(CALLS.c.seq.desc()).limit(most)
    rang = mine & CALLS.c.outcome.in_(RANG)
    ended = sa.select(CALLS.c.outcome).where(rang).order_by(CALLS.c.seq.desc()).limit(window)
    with store.read() as connection:
        begun = tuple(at for at in connection.execute(newest).scalars() if at > since)
        answered = tuple(outcome == "Answered" for outcome in connection.execute(ended).scalars())
    return Recent(begun, answered)


def outcomes(store: Store, site: str, calls: frozenset[str]) -> dict[str, Outcome]:
    """How these calls ended, by id."""
    query = sa.select(CALLS.c.id, CALLS.c.outcome).where(
        CALLS.c.site == site, CALLS.c.id.in_(sorted(calls)), CALLS.c.outcome.is_not(None)
    )
    with store.read() as connection:
        return {row.id: row.outcome for row in connection.execute(query)}


_LIVE: Final = tuple(LiveCall.__dataclass_fields__)
