"""Forgets devices that are there no more: their manifest was deleted, or their registration."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from dialplane.services.elevator.tables.callbacks import CALLBACKS
from dialplane.services.elevator.tables.presence import PRESENCE
from dialplane.services.elevator.tables.sessions import SESSIONS
from dialplane.services.elevator.tables.telephones import TELEPHONES
from dialplane.store.engine import Store


def forget(store: Store, site: str, present: Collection[str], *, before: datetime) -> int:
    """Delete what is recorded of devices that are not `present`, and of which nothing changed since `before`.

    Their journals, commands and pictures go by their own age.

    Returns:
        How many devices that were.
    """
    changed = {SESSIONS: SESSIONS.c.changed_at, PRESENCE: PRESENCE.c.since, TELEPHONES: TELEPHONES.c.changed_at}
    with store.read() as connection:
        rows = {
            table: connection.execute(sa.select(table.c.device, at).where(table.c.site == site)).all()
            for table, at in changed.items()
        }
    newest: dict[str, datetime] = {}
    for device, at in (tuple(row) for each in rows.values() for row in each):
        newest[device] = max(at, newest.get(device, at))
    gone = sorted(name for name, at in newest.items() if at < before and name not in present)
    if gone:
        with store.write() as connection:
            for table in (*changed, CALLBACKS):
                mine = (table.c.site == site) & (table.c.device == sa.bindparam("b_device"))
                connection.execute(sa.delete(table).where(mine), [{"b_device": name} for name in gone])
    return len(gone)
