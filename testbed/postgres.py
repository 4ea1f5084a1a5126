"""A real PostgreSQL on this machine: a server of its own, and a fresh database for each test.

Where it comes from, in this order: ``initdb`` on PATH or where Debian and Fedora put it, version 14 or newer; else
Debian's package, unpacked into the cache. The latter runs by the tree's own loader, but PostgreSQL starts its own
programs by path: a folder of small scripts beside the tree stands in for them.

PostgreSQL refuses to run as root. Then it runs as ``nobody``, with the one right to read what root keeps private (the
cache, a test's folder) and nothing else of root's.
"""

import asyncio
import atexit
import os
import pwd
import re
import secrets
import shlex
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache as once
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg
from psycopg import sql

from testbed import cache, debian
from testbed.ports import LOOPBACK, PortLease, lease
from testbed.process import Child

_OLDEST = 14
_SUITE, _PACKAGE = "trixie", "postgresql-17"
_PLACES = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_USER = "dialplane"
_PASSWORD_FILE = "password"  # noqa: S105 -- its name
_UNSAFE = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "log_timezone": "UTC",
    "timezone": "UTC",
}


@dataclass(frozen=True)
class Installation:
    """One PostgreSQL: its folder of programs."""

    origin: str
    programs: Path
    version: str


@once
def locate() -> Installation:
    """Find PostgreSQL, and fetch it when this machine has none.

    Raises:
        BuildError: it could not be fetched, or does not run.
    """
    attempts: tuple[Callable[[], Installation | None], ...] = (_from_machine, _from_debian)
    for attempt in attempts:
        if found := attempt():
            return found
    raise cache.BuildError(f"no PostgreSQL {_OLDEST} or newer runs here; install one")


def _from_machine() -> Installation | None:
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in _PLACES:
        folders += Path("/").glob(pattern.removeprefix("/"))
    found = [each for folder in folders if (each := _installed("this machine", folder))]
    return max(found, key=lambda each: _major(each.version), default=None)


@once
def _from_debian() -> Installation | None:
    tree = debian.tree("postgres", _SUITE, [_PACKAGE])
    programs = next(tree.glob("usr/lib/postgresql/*/bin"))
    inside = programs.relative_to(tree)
    # Not in the cache: access(2), by which initdb looks for its neighbours, knows nothing of the right to read all.
    beside = Path(tempfile.mkdtemp(prefix="dialplane-postgres-"))
    atexit.register(shutil.rmtree, beside, ignore_errors=True)
    beside.chmod(0o755)
    scripts = beside / inside
    scripts.mkdir(parents=True)
    # The programs find their share and lib folders from where they are started.
    (scripts.parent / "lib").symlink_to(programs.parent / "lib")
    (beside / "usr/share").symlink_to(tree / "usr/share")
    for name in ("initdb", "postgres"):
        loader, *rest = debian.command(tree, str(inside / name))
        script = f'#!/bin/sh\nexec {shlex.quote(loader)} --argv0 "$0" {shlex.join(rest)} "$@"\n'
        (scripts / name).write_text(script)
        (scripts / name).chmod(0o755)
    return _installed(f"Debian {_SUITE}", scripts)


def _installed(origin: str, programs: Path) -> Installation | None:
    if not (programs / "postgres").is_file():
        return None
    try:
        done = subprocess.run(
            [programs / "initdb", "--version"], capture_output=True, text=True, check=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return None
    version = done.stdout.split()[-1] if "(Debian" not in done.stdout else done.stdout.split()[2]
    return Installation(origin, programs, version) if _major(version) >= _OLDEST else None


def _major(version: str) -> int:
    match = re.match(r"\d+", version)
    return int(match[0]) if match else 0


class Postgres:
    """One running server on a port of its own; ``async with`` starts and ends it.

    Args:
        directory: made if missing, kept afterwards.
        durable: whether a commit survives a crash of the machine; a crash of the server it survives anyway.
        installation: by default what :func:`locate` finds.
    """

    def __init__(self, directory: Path, *, durable: bool = False, installation: Installation | None = None) -> None:
        self.directory = directory.resolve()
        self._installation, self._durable = installation, durable
        self._lease: PortLease = lease(1)
        self.port = self._lease.take()
        self._password = secrets.token_hex(16)
        self._child: Child | None = None

    @property
    def url(self) -> str:
        """SQLAlchemy's URL of the database that is always there."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        """SQLAlchemy's URL of a database; it carries the password."""
        return f"postgresql+psycopg://{_USER}:{self._password}@{LOOPBACK}:{self.port}/{database}"

    async def database(self, name: str = "") -> str:
        """Make an empty database, by default under a new name, and return its URL."""
        name = name or f"test_{secrets.token_hex(6)}"
        await self._execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        return self.url_of(name)

    async def drop(self, url: str) -> None:
        """Drop a database, whoever still uses it."""
        name = url.rpartition("/")[2]
        await self._execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    async def start(self, *, limit_seconds: float = 60) -> None:
        """Start, and return when it takes connections; the first time a cluster is made.

        Raises:
            StoppedEarlyError: it ended by itself.
            TimeoutError: it takes no connections in time; it has been stopped.
        """
        if self._installation is None:
            self._installation = await asyncio.to_thread(locate)
        data = self.directory / "data"
        if not data.exists():
            await self._initialise(self._installation, data, limit_seconds)
        settings = {**_SETTINGS, **({} if self._durable else _UNSAFE), "port": str(self.port)}
        options = [f"-c{name}={value}" for name, value in settings.items()]
        child = self._child = await self._spawn(self._installation, "postgres", f"-D{data}", *options)
        try:
            async with asyncio.timeout(limit_seconds):
                await self._until_ready(child)
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End it and every connection; data and port stay."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(politely=signal.SIGINT)

    async def kill(self) -> None:
        """End it by SIGKILL, as a crash would."""
        child, self._child = self._child, None
        if child is not None:
            await child.stop(limit_seconds=0)

    async def close(self) -> None:
        """Stop for good: the port is given back."""
        await self.stop()
        self._lease.release()

    async def _initialise(self, installation: Installation, data: Path, limit_seconds: float) -> None:
        word = await asyncio.to_thread(self._make_places, data)
        arguments = [f"-D{data}", f"-U{_USER}", f"--pwfile={word}", "--auth=scram-sha-256"]
        child = await self._spawn(installation, "initdb", *arguments, "--no-locale", "--encoding=UTF8", "--no-sync")
        code = await child.wait(limit_seconds)
        word.unlink()
        if code:
            raise cache.BuildError(f"initdb ended with {code}\n{child.tail()}")

    def _make_places(self, data: Path) -> Path:
        self.directory.mkdir(parents=True, exist_ok=True)
        data.mkdir(mode=0o700)
        word = self.directory / _PASSWORD_FILE
        word.touch(mode=0o600)
        word.write_text(self._password)
        if owner := _owner():
            os.chown(data, owner.pw_uid, owner.pw_gid)
        return word

    async def _spawn(self, installation: Installation, program: str, *arguments: str) -> Child:
        argv = [*_demotion(), str(installation.programs / program), *arguments]
        env = {"LC_ALL": "C.UTF-8"}
        return await Child.start(program, argv, output=self.directory / "postgres.log", env=env, cwd=Path("/"))

    async def _until_ready(self, child: Child) -> None:
        while True:
            child.check()
            try:
                await self._execute(sql.SQL("SELECT 1"))
            except psycopg.OperationalError:
                await asyncio.sleep(0.05)
                continue
            return

    async def _execute(self, statement: sql.Composable) -> None:
        connection = await psycopg.AsyncConnection.connect(
            host=LOOPBACK,
            port=self.port,
            user=_USER,
            password=self._password,
            dbname="postgres",
            autocommit=True,
            connect_timeout=5,
        )
        async with connection:
            await connection.execute(sql.SQL("{}").format(statement))

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


def _owner() -> pwd.struct_passwd | None:
    """Whom the server runs as, if not as ourselves."""
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _demotion() -> list[str]:
    """What goes before a command of PostgreSQL. Changing the user forgets die_with_parent, so it is said again."""
    owner = _owner()
    if owner is None:
        return []
    rights = "=-all,+dac_read_search"
    return [
        *("setpriv", f"--reuid={owner.pw_uid}", f"--regid={owner.pw_gid}", "--clear-groups", "--pdeathsig=KILL"),
        *(f"--inh-caps{rights}", f"--ambient-caps{rights}", f"--bounding-set{rights}"),
    ]
