"""Brings a database's tables to the version that this program knows (Alembic)."""

from pathlib import Path
from typing import Final

import sqlalchemy as sa
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import Script, ScriptDirectory
from alembic.util import CommandError

from dialplane.store.errors import StoreNewer

_LOCK: Final = 0x6469_616C  # any number that all Dialplanes share
MIGRATE_WITHIN: Final = 60
"""Seconds for one change of the tables, and to wait for another process that makes it."""


def scripts() -> ScriptDirectory:
    """The migrations, one file each in `migrations/versions`."""
    return ScriptDirectory(str(Path(__file__).with_name("migrations")))


def migrate(connection: sa.Connection) -> None:
    """Run what is missing, in the transaction of `connection`: all of it or nothing.

    Processes that start at once do so one after the other.

    Raises:
        StoreNewer: the database knows migrations that this program does not.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.text(f"SET LOCAL lock_timeout = '{MIGRATE_WITHIN}s'"))
        connection.execute(sa.text(f"SET LOCAL statement_timeout = '{MIGRATE_WITHIN}s'"))
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    known = scripts()
    for revision in MigrationContext.configure(connection).get_current_heads():
        if not _knows(known, revision):
            raise StoreNewer(
                f"the store was made by a newer Dialplane (tables {revision}, here {known.get_current_head()}):"
                " start that one, or restore a backup"
            )

    def missing(revision: tuple[str, ...], _: MigrationContext) -> list[object]:
        return list(known._upgrade_revs("head", revision))  # type: ignore[arg-type] # noqa: SLF001 -- as alembic.command does

    with EnvironmentContext(Config(), known, fn=missing) as environment:
        environment.configure(connection=connection)
        environment.run_migrations()


def _knows(known: ScriptDirectory, revision: str) -> Script | None:
    try:
        return known.get_revision(revision)
    except CommandError:
        return None
