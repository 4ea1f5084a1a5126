"""The lamps that were ever there."""

from collections.abc import Sequence
from typing import Final

import sqlalchemy as sa

from dialplane.store import Store
from dialplane.store.columns import METADATA

LAMPS: Final = sa.Table(
    "lamps",
    METADATA,
    sa.Column("site", sa.String(63), primary_key=True),
    sa.Column("name", sa.String(63), primary_key=True),
)


def keep(store: Store, site: str, names: Sequence[str]) -> None:
    with store.write() as connection:
        known = set(connection.scalars(sa.select(LAMPS.c.name).where(LAMPS.c.site == site)))
        for name in sorted({*names} - known):
            connection.execute(sa.insert(LAMPS).values(site=site, name=name))


def names(store: Store, site: str) -> list[str]:
    with store.read() as connection:
        return sorted(connection.scalars(sa.select(LAMPS.c.name).where(LAMPS.c.site == site)))
