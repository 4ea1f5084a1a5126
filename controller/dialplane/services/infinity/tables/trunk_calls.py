"""Calls over the site's own trunks: rows of `calls` without a tenant, and with no extension."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

import sqlalchemy as sa

from dialplane.services.infinity.tables import do_not_call
from dialplane.services.infinity.tables.calls import CALLS, LIVE, Call, NewCall, call, new_id, reserved
from dialplane.services.infinity.tables.do_not_call import WHOLE_SITE
from dialplane.services.infinity.tables.leases import Denied, Leased
from dialplane.store.columns import Json, Moment
from dialplane.store.engine import Store

NO_TENANT: Final = WHOLE_SITE
"""Stands in the place of a tenant."""


@dataclass(frozen=True, slots=True)
class BotAnswer:
    """What a bot's own record says of the last call to somebody."""

    call: str
    """The id of the bot's call."""
    outcome: str | None
    """None while it goes on."""
    variables: dict[str, str]
    """What the dialogue collected."""


def begin(store: Store, site: str, new: NewCall, *, now: datetime) -> Leased:
    """Note a call that is about to be placed, once for each token and request key.

    Nobody who is on the site's do-not-call list is called, from the moment on at which that was written.
    """
    number = f"*{secrets.token_hex(4)}"  # no extension; of two live calls never the same
    row = reserved(new_id(), site, number, replace(new, tenant=NO_TENANT), now)
    columns = CALLS.c
    same = (columns.site == site) & (columns.token == new.token) & (columns.request_key == new.request_key)
    with store.write() as connection:
        identity = new.identity or new.destination
        if do_not_call.barred(connection, site, [(NO_TENANT, identity)]):
            return Leased(None, Denied.barred("DoNotCall" if identity.startswith("+") else "NumberUnknown"))
        fresh = connection.execute(store.insert_new(CALLS).returning(columns.seq), [row]).first() is not None
        found = connection.execute(sa.select(CALLS).where(same)).one()
    return Leased(call(found), fresh=fresh)


def live(store: Store, site: str) -> tuple[Call, ...]:
    """Return the calls that go on."""
    query = sa.select(CALLS).where(CALLS.c.site == site, CALLS.c.tenant == NO_TENANT, LIVE)
    with store.read() as connection:
        return tuple(call(row) for row in connection.execute(query))


def bot_answers(
    store: Store, site: str, campaign: str, numbers: Sequence[str], *, since: datetime | None = None
) -> dict[str, BotAnswer]:
    """Return what bots noted of a campaign's last calls to these numbers; those that none spoke with are left out."""
    query = (
        sa.select(_BOT_CALLS)
        .where(
            _B.site == site,
            _B.destination.is_not(None),
            _B.destination.in_(list(numbers)),
            _B.campaign == campaign,
        )
        .order_by(_B.began_at, _B.id)
    )
    if since is not None:
        query = query.where(_B.began_at >= since)
    with store.read() as connection:
        rows: Sequence[Any] = connection.execute(query).all()
    return {row.destination: BotAnswer(row.id, row.outcome, row.variables or {}) for row in rows}


# Another service's table, of which these columns are read and nothing is written; a test compares them with it.
_BOT_CALLS: Final = sa.table(
    "bot_calls",
    sa.column("id", sa.String),
    sa.column("site", sa.String),
    sa.column("campaign", sa.String),
    sa.column("destination", sa.String),
    sa.column("began_at", Moment()),
    sa.column("outcome", sa.String),
    sa.column("variables", Json()),
)
_B: Final = _BOT_CALLS.c
