"""The database: one engine, for as long as the process runs."""

import asyncio
import contextlib
import fcntl
import math
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import ConnectionPoolEntry

from dialplane.store.errors import StoreConflict, StoreError, StoreUnavailable, StoreUnusable
from dialplane.store.migration import MIGRATE_WITHIN, migrate

CONNECTIONS: Final = 5
"""Connections to the database, and threads that use them."""
CONNECT_WITHIN: Final = 5
"""Seconds for a connection."""
LOCK_WITHIN: Final = 10
"""Seconds to wait for a lock, and for a free connection of the pool."""
STATEMENT_WITHIN: Final = 30
"""Seconds that PostgreSQL may take for one statement."""

PING_AFTER: Final = 1.0
"""Seconds after which a connection that nobody used is looked at before it is lent again."""

_LENT_UNTIL: Final = "dialplane_lent_until"
_READ_ONLY: Final = "dialplane_read_only"
_CONFLICTS: Final = frozenset({"40001", "40P01"})  # serialization_failure, deadlock_detected

P = ParamSpec("P")
T = TypeVar("T")


class Store:
    """The database; `Store.open(url)` gives one whose tables are there and of this version."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._readers = engine.execution_options(**{_READ_ONLY: True})
        self._turn = threading.Lock() if engine.dialect.name == "sqlite" else None
        self._threads = ThreadPoolExecutor(CONNECTIONS, thread_name_prefix="store")

    @classmethod
    def open(cls, url: str) -> Self:
        """Connect, and bring the tables up to this version; processes that start at once wait for each other.

        Args:
            url: `sqlite:////path/to/file.db` or `postgresql+psycopg://user:password@host/database`.

        Raises:
            StoreUnusable: no such database can be.
            StoreUnavailable: no connection.
            StoreNewer: made by a newer Dialplane.
        """
        engine = _engine(_parsed(url))
        try:
            with _unbroken(engine), _alone(engine.url), engine.begin() as connection:
                migrate(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine)

    def __str__(self) -> str:
        return shown(self._engine.url)

    @property
    def engine(self) -> sa.Engine:
        """The engine, for tests."""
        return self._engine

    def libpq_arguments(self) -> dict[str, Any]:
        """What psycopg needs for a connection of its own to this PostgreSQL; the password is among it."""
        _, arguments = self._engine.dialect.create_connect_args(self._engine.url)
        return {**arguments, **_libpq(self._engine.url)}

    @contextlib.contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """One transaction that may write: committed at the end, rolled back by an exception.

        SQLite has one such at a time.

        Raises:
            StoreUnavailable: the database did not do it, now.
            StoreError: it never will.
        """
        with self._in_turn(), _unbroken(self._engine), self._engine.begin() as connection:
            yield connection

    @contextlib.contextmanager
    def _in_turn(self) -> Iterator[None]:
        """SQLite has one writer at a time, and who waits for it sleeps and looks again; here the next one is woken."""
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=LOCK_WITHIN):
            raise StoreUnavailable(f"{self}: other transactions took more than {LOCK_WITHIN} s")
        try:
            yield
        finally:
            self._turn.release()

    @contextlib.contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One transaction that only reads; never waits for a writer."""
        with _unbroken(self._engine), self._readers.begin() as connection:
            yield connection

    def insert_new(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT that leaves out rows that are there already; give it `.returning(…)` to learn which were new."""
        made = postgresql.insert(table) if self._engine.dialect.name == "postgresql" else sqlite.insert(table)
        return made.on_conflict_do_nothing()

    async def call(self, function: Callable[Concatenate["Store", P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """`function(store, …)` in one of the store's threads. Cancelled, it still runs to its end in the thread."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, partial(function, self, *args, **kwargs))

    def close(self) -> None:
        """Let what runs end, then close every connection."""
        self._threads.shutdown(wait=True, cancel_futures=True)
        self._engine.dispose()


def shown(url: sa.URL) -> str:
    """The URL without its password."""
    return url.render_as_string(hide_password=True)


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (SQLAlchemyError, ValueError):  # their text may repeat the URL
        raise StoreUnusable(
            "the store's URL cannot be read: it is sqlite:////path/to/file.db or postgresql+psycopg://user@host/database"
        ) from None
    if parsed.drivername in {"postgresql", "postgres"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise StoreUnusable(f"{shown(parsed)}: the store is sqlite:///… or postgresql+psycopg://…")
    if parsed.drivername.startswith("sqlite") and parsed.database in {None, "", ":memory:"}:
        raise StoreUnusable(f"{shown(parsed)}: the store needs a file, such as sqlite:////var/lib/dialplane/store.db")
    return parsed


def _engine(url: sa.URL) -> sa.Engine:
    pool: dict[str, Any] = {"pool_size": CONNECTIONS, "max_overflow": 0, "pool_timeout": LOCK_WITHIN}
    if not url.drivername.startswith("sqlite"):
        engine = sa.create_engine(url, connect_args=_libpq(url), hide_parameters=True, **pool)
        _ping_idle(engine)
        return engine
    engine = sa.create_engine(url, connect_args={"timeout": LOCK_WITHIN}, hide_parameters=True, **pool)
    sa.event.listen(engine, "connect", _set_up_sqlite)
    sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _ping_idle(engine: sa.Engine) -> None:
    """Look at an idle connection before it is lent: a database that was restarted costs hardly any caller an error.

    SQLAlchemy would look at each that is lent: a tenth of the time of a busy process.
    """

    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info[_LENT_UNTIL] = time.monotonic()

    def ping(connection: Any, record: ConnectionPoolEntry, _: object) -> None:
        if time.monotonic() - record.info.get(_LENT_UNTIL, -math.inf) < PING_AFTER:
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise sa.exc.InvalidatePoolError from error

    sa.event.listen(engine, "checkin", note)
    sa.event.listen(engine, "checkout", ping)


def _libpq(url: sa.URL) -> dict[str, Any]:
    """The limits of a connection to PostgreSQL, where the URL says nothing else."""
    limits = {
        "statement_timeout": STATEMENT_WITHIN,
        "lock_timeout": LOCK_WITHIN,
        "idle_in_transaction_session_timeout": STATEMENT_WITHIN,
    }
    arguments = {
        "connect_timeout": CONNECT_WITHIN,
        "options": " ".join(f"-c {name}={seconds}s" for name, seconds in limits.items()),
        "application_name": "dialplane",
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": 1000 * STATEMENT_WITHIN,
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _set_up_sqlite(connection: sqlite3.Connection, _: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # this module says BEGIN, not the driver
    connection.execute("PRAGMA foreign_keys = ON")
    # With WAL, NORMAL could lose the last transactions in a power cut; their messages are deleted from the modem.
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: sa.Connection) -> None:
    # A transaction that begins as a reader and then writes fails at once where another wrote meanwhile.
    reads = connection.get_execution_options().get(_READ_ONLY)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


@contextlib.contextmanager
def _alone(url: sa.URL) -> Iterator[None]:
    """The only process that opens this SQLite file now: turning WAL on does not wait for others by itself.

    PostgreSQL has a lock of its own for that, in `migrate`.
    """
    if not url.drivername.startswith("sqlite"):
        yield
        return
    path = Path(url.database or "")
    try:
        handle = os.open(path.with_name(f"{path.name}.lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        # Created here, so that nobody else may read people's messages; SQLite gives its other files the same mode.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise StoreUnusable(f"{shown(url)}: {error.strerror}") from None
    try:
        _lock(handle, shown(url))
        with contextlib.closing(sqlite3.connect(path, timeout=LOCK_WITHIN)) as connection:
            connection.execute("PRAGMA journal_mode = WAL")
        yield
    finally:
        os.close(handle)


def _lock(handle: int, name: str) -> None:
    end = time.monotonic() + MIGRATE_WITHIN
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise StoreUnavailable(f"{name}: another process has been opening it for {MIGRATE_WITHIN} s") from None
            time.sleep(0.02)
        else:
            return


@contextlib.contextmanager
def _unbroken(engine: sa.Engine) -> Iterator[None]:
    try:
        yield
    except (DBAPIError, sa.exc.TimeoutError, sqlite3.Error) as error:
        # Only the first line: PostgreSQL's DETAIL may repeat a row.
        said = str(error.orig if isinstance(error, DBAPIError) else error).strip().splitlines()
        text = f"{shown(engine.url)}: {said[0] if said else type(error).__name__}"
        if isinstance(error, DBAPIError) and getattr(error.orig, "sqlstate", None) in _CONFLICTS:
            raise StoreConflict(text) from None
        refused = isinstance(error, sa.exc.DataError | sa.exc.IntegrityError | sa.exc.ProgrammingError)
        raise (StoreError if refused else StoreUnavailable)(text) from None
