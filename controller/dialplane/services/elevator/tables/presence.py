"""Whether each device is online, as the leader decided last: what people and programs were notified of.

The leader alone writes it, each change together with all that follows from it. So a leader that starts knows what was
decided before, and nothing is notified twice, or forgotten.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from dialplane.store.columns import METADATA, Moment
from dialplane.store.engine import Store

PRESENCE: Final = sa.Table(
    "device_presence",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("device", sa.String(63), primary_key=True),
    sa.Column("online", sa.Boolean, nullable=False),
    sa.Column("since", Moment, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Presence:
    """What was decided of a device; a device that never connected has none."""

    device: str
    online: bool
    since: datetime
    """When that was decided."""


def of_site(store: Store, site: str) -> dict[str, Presence]:
    """Return what was decided of each device, by its name."""
    query = sa.select(PRESENCE.c.device, PRESENCE.c.online, PRESENCE.c.since).where(PRESENCE.c.site == site)
    with store.read() as connection:
        return {row.device: Presence(row.device, row.online, row.since) for row in connection.execute(query)}


def decide(connection: sa.Connection, site: str, decided: Sequence[Presence]) -> None:
    """Keep what was decided, in the transaction of what follows from it."""
    if not decided:
        return
    made = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    insert = made(PRESENCE)
    new = insert.excluded
    upsert = insert.on_conflict_do_update(
        index_elements=["site", "device"], set_={"online": new.online, "since": new.since}
    )
    rows = [{"site": site, "device": each.device, "online": each.online, "since": each.since} for each in decided]
    connection.execute(upsert, rows)
